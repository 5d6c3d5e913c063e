"""The bucket of the reports. Each object is written on a condition, so that two invocations write one version."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_s3 import S3Client

    from drs_job_log.config import EvidenceSettings

_BLOCK_BYTES: Final = 1024 * 1024

# The codes of a conditional write whose condition is not met, or that another one overtook.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
_CONFLICTS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MISSING: Final = frozenset({"404", "NoSuchKey", "NotFound"})

_CONTENT_TYPES: Final = {"html": "text/html; charset=utf-8", "json": "application/json", "gz": "application/gzip"}


class ConflictError(Exception):
    """Another invocation changed an object. A retry is safe: it reads the object again."""


class UnversionedBucketError(Exception):
    """The bucket has no versioning, so that a new revision would replace the one before."""


@dataclass(frozen=True, slots=True)
class Digest:
    """The SHA-256 digest of a file as hexadecimal digits, and its size in bytes."""

    sha256: str
    size: int

    @property
    def entry(self) -> dict[str, Any]:
        """The entry in ``files`` of summary.json."""
        return {"sha256": self.sha256, "bytes": self.size}


def digest_of(file: IO[bytes]) -> Digest:
    """Return the digest of a whole file, a block at a time. The file is then at its start."""
    file.seek(0)
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
    file.seek(0)
    return Digest(digest.hexdigest(), size)


class Bucket:
    """Writes the objects of reports. Thread-safe.

    All methods raise ``botocore.exceptions.BotoCoreError`` or ``botocore.exceptions.ClientError`` if S3 cannot be
    reached or refuses the request. It is safe to repeat them.
    """

    def __init__(self, client: S3Client, settings: EvidenceSettings) -> None:
        self._client = client
        self._settings = settings

    def check_versioning(self) -> None:
        """Check that the bucket keeps each version of an object.

        Raises
        ------
        UnversionedBucketError
            If it does not.
        """
        status = self._client.get_bucket_versioning(Bucket=self._settings.bucket).get("Status")
        if status != "Enabled":
            raise UnversionedBucketError(f"enable the versioning of the bucket {self._settings.bucket}: it is {status}")

    def read(self, key: str) -> bytes | None:
        """Return the content of an object. None if there is none."""
        try:
            content: bytes = self._client.get_object(Bucket=self._settings.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return content

    def write(self, key: str, file: IO[bytes], now: datetime, *, is_locked: bool) -> Digest:
        """Write an object unless it has this content. Return the digest of the content.

        Raises
        ------
        ConflictError
            If another invocation wrote the object at the same time.
        """
        digest = digest_of(file)
        current = self._head(key)
        if current and current.get("Metadata", {}).get("sha256") == digest.sha256:
            return digest
        condition = {"IfMatch": current["ETag"]} if current else {"IfNoneMatch": "*"}
        try:
            self._client.put_object(
                Bucket=self._settings.bucket,
                Key=key,
                Body=file,
                ContentType=_CONTENT_TYPES[key.rpartition(".")[2]],
                # S3 rejects other content. An object with a lock needs it.
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(digest.sha256)).decode(),
                Metadata={"sha256": digest.sha256},
                **condition,
                **self._encryption,
                **(self._lock(now) if is_locked else {}),
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _CONFLICTS:
                raise ConflictError(f"another invocation wrote {key}") from error
            raise
        return digest

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return dict(self._client.head_object(Bucket=self._settings.bucket, Key=key))
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise

    @property
    def _encryption(self) -> dict[str, Any]:
        key = self._settings.kms_key_arn
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key, "BucketKeyEnabled": True} if key else {}

    def _lock(self, now: datetime) -> dict[str, Any]:
        mode = self._settings.lock_mode
        if mode is None:
            return {}
        return {"ObjectLockMode": mode, "ObjectLockRetainUntilDate": now + self._settings.retention}
