"""The known errors: each entry with a sample, texts that are no known error, and the table of the runbook."""

from __future__ import annotations

import json
import re
from time import process_time
from typing import TYPE_CHECKING

import pytest
from drs_job_log.api.progress_entries import hint_entry
from drs_job_log.model.events import parse
from drs_job_log.model.known_errors import (
    KNOWN_ERRORS,
    UNKNOWN_CAUSE,
    UNKNOWN_FIRST_STEP,
    WITHOUT_ERROR,
    hint_of,
    matching,
)
from drs_job_log.model.progress import progress_of
from hypothesis import given
from hypothesis import strategies as st

from tests.support import known_errors
from tests.support.envelopes import dumps, job_log
from tests.support.terraform import ROOT

if TYPE_CHECKING:
    from drs_job_log.model.known_errors import KnownError

# Entry → a sample that users or AWS published. Account and resource IDs are replaced.
SAMPLES = {
    "organization-policy": (
        "UnauthorizedOperation: You are not authorized to perform this operation. User: "
        "arn:aws:sts::111122223333:assumed-role/Operator/alice is not authorized to perform: ec2:RunInstances on "
        "resource: arn:aws:ec2:us-east-1:111122223333:instance/* with an explicit deny in a service control policy"
    ),
    # From a real drill.
    "kms-key-not-authorized": (
        "An error occurred (AuthFailure) when calling the ModifySnapshotAttribute operation: Not authorized to use key "
        "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    ),
    "kms-key-state": "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state",
    "client-error-on-launch": "Client.InternalError: Client error on launch",
    "pass-role": (
        "User: arn:aws:sts::111122223333:assumed-role/Operator/alice is not authorized to perform: iam:PassRole on "
        "resource: arn:aws:iam::111122223333:role/web because no identity-based policy allows the iam:PassRole action"
    ),
    "instance-profile": (
        "An error occurred (InvalidParameterValue) when calling the RunInstances operation: Value (testProfile) for "
        "parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    ),
    # From a real drill.
    "create-recovery-instance": "AccessDeniedException when calling CreateRecoveryInstanceForDrs operation: no rights",
    # From a real drill.
    "ec2-permission": (
        "An error occurred (UnauthorizedOperation) when calling the DeleteVolume operation: You are not authorized to "
        "perform this operation. Encoded authorization failure message: 4GIOHlTkIaWHQD0Q0m6XSnuUMCm-abcdefghijklmn"
    ),
    "subscription": (
        "OptInRequired: In order to use this AWS Marketplace product you need to accept terms and subscribe. To do so "
        "please visit https://aws.amazon.com/marketplace/pp?sku=aw0evgkw8e5c1q413zgy5pjce"
    ),
    "capacity": (
        "An error occurred (InsufficientInstanceCapacity) when calling the RunInstances operation: We currently do not "
        "have sufficient m4.4xlarge capacity in the Availability Zone you requested (us-east-1a)."
    ),
    "host-capacity": "An error occurred (InsufficientCapacityOnHost) when calling the RunInstances operation",
    "vcpu-quota": (
        "An error occurred (VcpuLimitExceeded) when calling the RunInstances operation: You have requested more vCPU "
        "capacity than your current vCPU limit of 32 allows for the instance bucket that the specified instance type "
        "belongs to."
    ),
    "volume-quota": "Client.VolumeLimitExceeded: Volume limit exceeded",
    "snapshot-limit": "An error occurred (SnapshotLimitExceeded) when calling the CreateSnapshot operation",
    "resource-not-found": (
        "An error occurred (InvalidSnapshot.NotFound) when calling the DescribeSnapshots operation: The snapshot "
        "'snap-0643b6dcd0a6f01f0' does not exist."
    ),
    "subnet-not-found": (
        "An error occurred (InvalidSubnetID.NotFound) when calling the RunInstances operation: The subnet ID "
        "'subnet-0aaaaaaaaaaaaaaa1' does not exist"
    ),
    "subnet-full": (
        "An error occurred (InsufficientFreeAddressesInSubnet) when calling the CreateTransitGatewayVpcAttachment "
        "operation: Insufficient Free IP Addresses in subnet."
    ),
    "security-group": (
        "An error occurred (InvalidGroup.NotFound) when calling the RunInstances operation: The security group 'xyz' "
        "does not exist in VPC 'abc'"
    ),
    "private-address": "InvalidIPAddress.InUse: Address 172.31.22.128 is in use.\n\tstatus code: 400",
    "attachment-limit": "An error occurred (AttachmentLimitExceeded) when calling the AttachVolume operation",
    "service-quota": "An error occurred (MaxTemplateVersionLimitExceeded) when calling CreateLaunchTemplateVersion",
    "instance-type": (
        "Your requested instance type (m5.large) is not supported in your requested Availability Zone (us-east-1e). "
        "Please retry your request by not specifying an Availability Zone or choosing us-east-1a. (Service: AmazonEC2; "
        "Status Code: 400; Error Code: Unsupported; Request ID: cedce320-3601-4540-9000-000000000000)"
    ),
    "block-device": (
        "Code: InvalidBlockDeviceMapping, Message: Volume of size 8 GB is smaller than snapshot "
        "'snap-0643b6dcd0a6f01f0', expect size >= 30 GB"
    ),
    "launch-template": (
        "An error occurred (InvalidLaunchTemplateId.NotFound) when calling CreateLaunchTemplateVersion operation: The "
        "specified launch template, with template ID lt-05ca3da8a7343171e, does not exist."
    ),
    "tag-policy": (
        "An error occurred (TagPolicyViolation) when calling the CreateTags operation: The tag policy does not allow "
        "the specified value for the following tag key: 'superwerker:backup'."
    ),
    "termination-protection": (
        "An error occurred (OperationNotPermitted) when calling the TerminateInstances operation: The instance "
        "'i-xxxx' may not be terminated. Modify its 'disableApiTermination' instance attribute and try again."
    ),
    "stack-rollback": "ROLLBACK_COMPLETE",
    "credentials": (
        "An error occurred (ExpiredTokenException) when calling the GetCallerIdentity operation: The security token "
        "included in the request is expired"
    ),
    "throttling": (
        "An error occurred (RequestLimitExceeded) when calling the RunInstances operation (reached max retries: 4): "
        "Request limit exceeded."
    ),
    # No public text is known. AWS uses this name for the resource.
    "conversion-server": "The AWS Elastic Disaster Recovery Conversion Server did not start in time",
    "no-error": "The job did not launch this server. Its launch status at the end of the job is FAILED.",
    "access-denied": (
        "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: drs:TagResource on resource: x"
    ),
    "parameter": "InvalidParameterValue: Value () for parameter groupId is invalid. The value cannot be empty",
    "internal-error": "An error occurred (InternalError) when calling the CreateSnapshot operation",
}

# Sample → the other entries that match it too, because the sample has a general code in addition.
ALSO = {
    "organization-policy": {"ec2-permission", "access-denied"},
    "kms-key-not-authorized": {"access-denied"},
    "client-error-on-launch": {"internal-error"},
    "pass-role": {"access-denied"},
    "instance-profile": {"parameter"},
    "create-recovery-instance": {"access-denied"},
}

# Further texts of an entry.
MORE = [
    ("kms-key-not-authorized", "not authorized to perform: kms:CreateGrant on resource: arn:aws:kms:x"),
    ("kms-key-not-authorized", "The copy failed: Given key ID is not accessible"),
    ("capacity", "We currently do not have sufficient capacity in the Availability Zone you requested"),
    (
        "capacity",
        "InsufficientVolumeCapacity: There is not enough capacity to fulfill your EBS volume provision request",
    ),
    ("subnet-not-found", "VPCIdNotSpecified: No default VPC for this user"),
    ("security-group", "InvalidParameter: Security group sg-1 and subnet subnet-1 belong to different networks."),
    ("private-address", "InvalidParameterValue: Address 172.31.32.2 does not fall within the subnet's address range"),
    ("instance-type", "Unsupported: The requested configuration is currently not supported. Please check the docs"),
    (
        "instance-type",
        "Enhanced networking with the Elastic Network Adapter (ENA) is required for the 't3.small' instance type.",
    ),
    ("launch-template", "InvalidKeyPair.NotFound: The key pair 'ops' does not exist"),
    ("throttling", "ThrottlingException: Rate exceeded"),
    ("internal-error", "Server.InternalError"),
    ("access-denied", "AuthFailure: AWS was not able to validate the provided access credentials"),
    ("ec2-permission", "denied (Service: AmazonEC2; Status Code: 403; Error Code: UnauthorizedOperation; Proxy: null)"),
    ("ec2-permission", f"Encoded authorization failure message: {'aB3_' * 600} (Error Code: InternalError; x)"),
    ("capacity", f"{'aB3_' * 1000} (Error Code: InsufficientInstanceCapacity; x)"),
    ("no-error", "The job ended and did not launch this network."),
]

UNRELATED = [
    *("", " \n", "x", "no capacity", "no rights", "no driver", "timeout", "Server prod-web-01 failed", "Unsupported"),
    "Throttling and capacity settings of the subnet were blocked, unavailable and invalid",
    "the launch was not authorized by the change board",
    "Internal error of the payment service, see InternalErrors and MyInternalError.txt",
    "arn:aws:iam::111122223333:role/web-AccessDenied-InternalError",
    "https://example.com/InvalidSubnetID.NotFoundPage",
    "InvalidSubnet.Range",
    "AccessDeniedExceptionHandler",
    "The job did not terminate this server.",
    "x" * 8192 + " InsufficientInstanceCapacity",
]

ENTRIES = {known.id: known for known in KNOWN_ERRORS}
TEXTS = [(known.id, text) for known in KNOWN_ERRORS for text in (*known.codes, *known.phrases)]


def ids(error: str) -> list[str]:
    return [known.id for known in matching(error)]


def test_each_entry_has_an_id_of_its_own_and_a_sample() -> None:
    assert len(ENTRIES) == len(KNOWN_ERRORS)
    assert ENTRIES.keys() == SAMPLES.keys()


@pytest.mark.parametrize(("name", "error"), [*SAMPLES.items(), *MORE])
def test_the_most_specific_entry_applies(name: str, error: str) -> None:
    assert hint_of(error) == ENTRIES[name].hint


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_matches_another_entry_only_by_a_general_code(name: str) -> None:
    assert set(ids(SAMPLES[name])) == {name} | ALSO.get(name, set())


@pytest.mark.parametrize(("name", "text"), TEXTS)
def test_no_entry_hides_a_code_or_phrase_of_another_one(name: str, text: str) -> None:
    assert ids(f"failed: {text}")[0] == name


@pytest.mark.parametrize("error", [None, *UNRELATED])
def test_other_texts_are_not_known(error: str | None) -> None:
    assert hint_of(error) is None


@pytest.mark.parametrize("listed", [{"launchStatus": "PENDING"}, {}])
def test_a_failure_that_the_module_states_has_the_hint_of_a_failure_without_an_error(listed: dict[str, str]) -> None:
    end = {
        "jobID": "drsjob-1",
        "eventType": "JOB_COMPLETED",
        "eventId": "end",
        "logDateTime": "2025-11-28T20:44:10Z",
        "jobType": "LAUNCH",
        "participatingServers": [{"sourceServerID": "s-1"} | listed],
    }

    (server,) = progress_of([parse(dumps(job_log(end)))]).servers

    assert server.state == "FAILED"
    assert server.error
    assert hint_of(server.error) == WITHOUT_ERROR


@pytest.mark.parametrize("known", KNOWN_ERRORS, ids=lambda known: known.id)
def test_the_texts_are_short_sentences_and_the_source_is_a_public_page(known: KnownError) -> None:
    for text in (known.hint.cause, known.hint.first_step):
        assert re.fullmatch(r"[A-Z][^\n|`<>]{10,180}\.", text)
        assert not re.search(r"\d{12}", text)
    assert re.fullmatch(r"https://(docs\.aws\.amazon\.com|repost\.aws)/[\w./#-]+", known.hint.source)
    assert known.codes or known.phrases
    assert all(re.fullmatch(r"[A-Z][\w.]{8,}", code) for code in known.codes)
    assert all(len(phrase) >= 12 for phrase in known.phrases)


HOSTILE = [
    *(
        "x",
        "a.",
        "a-",
        "(",
        " ",
        "é",
        "\0",
        "Invalid",
        "InvalidSubnetID.",
        "not authorized to perform: ",
        "conversion ",
    ),
    "We currently do not have ",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_a_long_hostile_text_takes_a_bounded_time(part: str) -> None:
    error = (part * 65_536)[:65_536]

    start = process_time()
    hint_of(error)

    assert process_time() - start < 0.1  # usually 1 ms


@given(st.text() | st.lists(st.sampled_from([text for _, text in TEXTS]) | st.text(max_size=3)).map("".join))
def test_any_text_has_the_hint_of_its_first_entry_or_none(error: str) -> None:
    names = ids(error)

    assert hint_of(error) == (ENTRIES[names[0]].hint if names else None)
    assert names == [name for name in ENTRIES if name in names]


@given(st.sampled_from(list(SAMPLES)), st.text(st.sampled_from("ab \n.:1é"), max_size=300))
def test_text_around_an_error_does_not_change_its_hint(name: str, around: str) -> None:
    assert hint_of(f"{around} {SAMPLES[name]} {around}") == ENTRIES[name].hint


def test_the_texts_for_an_unknown_error_are_sentences() -> None:
    assert UNKNOWN_CAUSE == "This error is not in the list of known errors."
    assert UNKNOWN_FIRST_STEP.endswith(".")


def test_the_runbook_lists_the_known_errors() -> None:
    page = known_errors.PAGE.read_text()

    assert known_errors.updated(page) == page, "run `make docs`"
    assert page.count(" [Source](https://") == len(KNOWN_ERRORS)


def test_the_example_in_the_api_page_is_a_hint_of_the_list() -> None:
    (example,) = re.findall(r"### Hints\n\n```json\n(.+?)```", (ROOT / "docs/api.md").read_text(), re.DOTALL)

    assert json.loads(example) == hint_entry(SAMPLES["subnet-full"])


def test_a_page_without_the_markers_is_rejected() -> None:
    with pytest.raises(ValueError, match="markers"):
        known_errors.updated("# page")
