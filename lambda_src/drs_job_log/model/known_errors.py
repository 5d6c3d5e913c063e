"""Known errors of DRS: the cause and the first step for an error text.

The codes and phrases come from the AWS documentation that each entry names, and from errors that users published. If a
code has several causes, the entry says only what the code states.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN_CAUSE: Final = "This error is not in the list of known errors."
UNKNOWN_FIRST_STEP: Final = (
    "Read the error text. Then search CloudTrail for denied or failed calls at the time of the failure, in the account "
    "and Region of the job."
)

# Only this part of an error is examined. DRS allows 65,536 characters. An encoded authorization message, which can
# precede the code, has 1,000 to 3,000.
_MAX_EXAMINED: Final = 8192

# A word of an error: a code such as InvalidSubnetID.NotFound, or a part of an identifier, which is not a code.
_WORD: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*")

# EC2 can put the origin of an error before its code: Client.InternalError.
_ORIGINS: Final = ("Client.", "Server.")

_EC2_CODES: Final = "https://docs.aws.amazon.com/ec2/latest/devguide/errors-overview.html"
_EC2_LAUNCH: Final = "https://docs.aws.amazon.com/autoscaling/ec2/userguide/ts-as-instancelaunchfailure.html"
_DRS_GUIDE: Final = "https://docs.aws.amazon.com/drs/latest/userguide"
# The policy allows the calls to EC2 that DRS makes with the permissions of the principal ("aws:ViaAWSService").
_DRS_PERMISSIONS: Final = (
    "https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSElasticDisasterRecoveryConsoleFullAccess.html"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """What is known about an error: sentences with a period. ``source`` is the URL of a public page."""

    cause: str
    first_step: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownError:
    """A known error.

    Attributes
    ----------
    id
        Identifies the entry.
    codes
        Codes of errors. Each is a whole word of the error text.
    phrases
        Parts of error texts.
    """

    id: str
    hint: Hint
    codes: tuple[str, ...] = ()
    phrases: tuple[str, ...] = ()


# Of a failure whose error DRS did not log, or has not logged yet.
WITHOUT_ERROR: Final = Hint(
    cause=(
        "DRS logged no error. A known cause is that the principal that started the recovery does not have the "
        "necessary EC2 permissions."
    ),
    first_step="Search CloudTrail for denied calls to drs and ec2 at the time of the failure.",
    source=_DRS_PERMISSIONS,
)

# The first entry that matches applies, so the most specific entries come first.
KNOWN_ERRORS: Final = (
    KnownError(
        id="organization-policy",
        phrases=(
            "in a service control policy",
            "no service control policy allows",
            "in a resource control policy",
        ),
        hint=Hint(
            cause="A policy of the AWS organization does not allow an operation that the recovery needs.",
            first_step="Ask the administrator of the organization to allow the operation that the error names.",
            source="https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html",
        ),
    ),
    KnownError(
        id="kms-key-not-authorized",
        phrases=(
            "Not authorized to use key",
            "not authorized to perform: kms:",
            "is not authorized to use resource arn:aws:kms",
            "Given key ID is not accessible",
        ),
        hint=Hint(
            cause="A KMS key is not shared with the recovery account, or a policy does not allow the use of the key.",
            first_step=(
                "Correct the key policy. Share the key of a staging account with the target account. Then check the "
                "permissions of the principal that started the recovery."
            ),
            source=f"{_DRS_GUIDE}/multi-account.html",
        ),
    ),
    KnownError(
        id="kms-key-state",
        codes=("InvalidKMSKey.InvalidState", "KMSInvalidStateException", "CustomerKeyHasBeenRevoked"),
        phrases=("KMS key provided is in an incorrect state",),
        hint=Hint(
            cause="A KMS key cannot be used in its current state.",
            first_step=(
                "Check in KMS that the key is enabled. If it is, check that its key policy allows the principal that "
                "started the recovery to use it."
            ),
            source="https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html",
        ),
    ),
    KnownError(
        id="client-error-on-launch",
        codes=("Client.InternalError",),
        phrases=("Client error on launch",),
        hint=Hint(
            cause=(
                "EC2 stopped the launch of the instance. The usual cause is a missing permission for the KMS key that "
                "encrypts its volumes."
            ),
            first_step="Check the key policy of the KMS key that encrypts the disks of the server.",
            source="https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html",
        ),
    ),
    KnownError(
        id="pass-role",
        phrases=("not authorized to perform: iam:PassRole",),
        hint=Hint(
            cause="The principal that started the recovery is not allowed to pass an IAM role to an instance.",
            first_step="Allow iam:PassRole for this principal and the role that the error names.",
            source=_DRS_PERMISSIONS,
        ),
    ),
    KnownError(
        id="instance-profile",
        codes=("InvalidIamInstanceProfileArn.Malformed",),
        phrases=("Invalid IAM Instance Profile",),
        hint=Hint(
            cause="The IAM instance profile of the instance does not exist or is not valid.",
            first_step=(
                "Correct the instance profile in the EC2 launch template of the server. If the error names a role of "
                "DRS, check that the initialization of DRS created it."
            ),
            source=f"{_DRS_GUIDE}/getting-started-initializing.html",
        ),
    ),
    KnownError(
        id="create-recovery-instance",
        phrases=(
            "AccessDeniedException when calling CreateRecoveryInstanceForDrs",
            "(AccessDeniedException) when calling the CreateRecoveryInstanceForDrs",
            "not authorized to perform: drs:CreateRecoveryInstanceForDrs",
        ),
        hint=Hint(
            cause="The DRS operation CreateRecoveryInstanceForDrs was denied.",
            first_step="Allow drs:CreateRecoveryInstanceForDrs for the principal that started the recovery.",
            source=_DRS_PERMISSIONS,
        ),
    ),
    KnownError(
        id="ec2-permission",
        codes=("UnauthorizedOperation",),
        phrases=("Encoded authorization failure message", "not authorized to perform: ec2:"),
        hint=Hint(
            cause="EC2 denied a call: a permission is missing, or a policy denies the call.",
            first_step=(
                "Correct the EC2 permissions of the principal that started the recovery. To decode an encoded message, "
                "run aws sts decode-authorization-message."
            ),
            source="https://repost.aws/knowledge-center/ec2-not-auth-launch",
        ),
    ),
    KnownError(
        id="subscription",
        codes=("OptInRequired",),
        phrases=("AWS Marketplace product you need to accept",),
        hint=Hint(
            cause="The account is not subscribed to a service or an AWS Marketplace product that the launch uses.",
            first_step="Subscribe in the recovery account to the product or the service that the error names.",
            source=f"{_EC2_CODES}#CommonErrors",
        ),
    ),
    KnownError(
        id="capacity",
        codes=(
            "InsufficientInstanceCapacity",
            "UnfulfillableCapacity",
            "ReservationCapacityExceeded",
            "InsufficientVolumeCapacity",
        ),
        phrases=("We currently do not have sufficient",),
        hint=Hint(
            cause="AWS does not have enough capacity for the instance or the volume in this Availability Zone.",
            first_step=(
                "Select another instance type, several instance types, or a subnet in another Availability Zone in the "
                "launch settings of the server. Then start its recovery again."
            ),
            source=f"{_DRS_GUIDE}/flexible-instance-types.html",
        ),
    ),
    KnownError(
        id="host-capacity",
        codes=(
            "InsufficientCapacityOnHost",
            "InsufficientHostCapacity",
            "IncompatibleHostRequirements",
            "UnavailableHostRequirements",
        ),
        hint=Hint(
            cause="No Dedicated Host can launch the instance.",
            first_step="Allocate a Dedicated Host for the instance type in the Availability Zone of the subnet.",
            source=_EC2_CODES,
        ),
    ),
    KnownError(
        id="vcpu-quota",
        codes=("VcpuLimitExceeded", "InstanceLimitExceeded"),
        phrases=("You have requested more vCPU capacity than your current vCPU limit",),
        hint=Hint(
            cause="The account has reached its quota of running On-Demand instances in this Region.",
            first_step=(
                "Request a higher EC2 quota in Service Quotas, or terminate instances that are not needed, such as "
                "those of earlier drills."
            ),
            source=f"{_EC2_CODES}#VcpuLimitExceeded",
        ),
    ),
    KnownError(
        id="volume-quota",
        codes=("VolumeLimitExceeded", "MaxIOPSLimitExceeded"),
        hint=Hint(
            cause="The account has reached its quota of EBS storage or IOPS in this Region.",
            first_step="Request a higher EBS quota in Service Quotas, or delete volumes that are not needed.",
            source="https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html",
        ),
    ),
    KnownError(
        id="snapshot-limit",
        codes=(
            "SnapshotLimitExceeded",
            "PendingSnapshotLimitExceeded",
            "ConcurrentSnapshotLimitExceeded",
            "SnapshotCreationPerVolumeRateExceeded",
        ),
        hint=Hint(
            cause="A limit for EBS snapshots is reached: their number, the number of pending ones, or their rate.",
            first_step=(
                "Start the recovery again in some minutes. If it fails again, keep fewer points in time, or request a "
                "higher EBS quota."
            ),
            source="https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html",
        ),
    ),
    KnownError(
        id="resource-not-found",
        codes=("InvalidSnapshot.NotFound", "InvalidVolume.NotFound", "InvalidInstanceID.NotFound"),
        hint=Hint(
            cause="A snapshot, a volume or an instance that the recovery needs does not exist.",
            first_step=(
                "Search CloudTrail for the call that deleted it. Then start the recovery again, with another point in "
                "time if a snapshot is missing."
            ),
            source=f"{_EC2_CODES}#InvalidSnapshot.NotFound",
        ),
    ),
    KnownError(
        id="subnet-not-found",
        codes=(
            "InvalidSubnetID.NotFound",
            "InvalidSubnetId.NotFound",
            "InvalidSubnet",
            "DefaultVpcDoesNotExist",
            "VPCIdNotSpecified",
        ),
        phrases=("No default VPC for this user",),
        hint=Hint(
            cause="The subnet of the launch does not exist, or the launch names no subnet and there is no default VPC.",
            first_step="Select an existing subnet in the EC2 launch template of the server.",
            source=f"{_EC2_CODES}#InvalidSubnetID.NotFound",
        ),
    ),
    KnownError(
        id="subnet-full",
        codes=("InsufficientFreeAddressesInSubnet",),
        phrases=("Insufficient Free IP Addresses in subnet",),
        hint=Hint(
            cause="The subnet does not have enough free private IP addresses.",
            first_step="Delete network interfaces that are not needed, or select another subnet for the launch.",
            source=f"{_EC2_CODES}#InsufficientFreeAddressesInSubnet",
        ),
    ),
    KnownError(
        id="security-group",
        codes=("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound", "InvalidGroupId.Malformed"),
        phrases=("belong to different networks",),
        hint=Hint(
            cause="A security group of the launch does not exist in the VPC of the subnet.",
            first_step="Select security groups of this VPC in the EC2 launch template of the server.",
            source=f"{_EC2_CODES}#InvalidGroup.NotFound",
        ),
    ),
    KnownError(
        id="private-address",
        codes=("InvalidIPAddress.InUse",),
        phrases=(
            "does not fall within the subnet's address range",
            "is in subnet's reserved address range",
        ),
        hint=Hint(
            cause="The private IP address of the launch is in use, reserved, or not in the range of the subnet.",
            first_step=(
                "Check what uses the address. Then change the setting Copy private IP, the address or the subnet in "
                "the launch settings of the server."
            ),
            source=f"{_DRS_GUIDE}/default-drs-launch-settings.html",
        ),
    ),
    KnownError(
        id="attachment-limit",
        codes=("AttachmentLimitExceeded", "PrivateIpAddressLimitExceeded", "InvalidInterface.IpAddressLimitExceeded"),
        hint=Hint(
            cause="The launch needs more volumes, network interfaces or addresses than the instance type supports.",
            first_step="Select an instance type that supports more of them in the launch settings of the server.",
            source=f"{_EC2_CODES}#AttachmentLimitExceeded",
        ),
    ),
    KnownError(
        id="service-quota",
        codes=(
            "ServiceQuotaExceededException",
            "ResourceLimitExceeded",
            "NetworkInterfaceLimitExceeded",
            "AddressLimitExceeded",
            "SecurityGroupLimitExceeded",
            "SecurityGroupsPerInterfaceLimitExceeded",
            "MaxTemplateLimitExceeded",
            "MaxTemplateVersionLimitExceeded",
            "TagLimitExceeded",
        ),
        hint=Hint(
            cause="A quota of the account is reached. The error names the service or the quota.",
            first_step="Request a higher quota in Service Quotas, or delete resources that are not needed.",
            source=f"{_EC2_CODES}#api-error-codes-table-client",
        ),
    ),
    KnownError(
        id="instance-type",
        phrases=(
            "is not supported in your requested Availability Zone",
            "requested configuration is currently not supported",
            "Elastic Network Adapter (ENA) is required",
            "(Unsupported) when calling",
            "Error Code: Unsupported;",
        ),
        hint=Hint(
            cause="EC2 does not support the instance type in this Availability Zone or with these launch settings.",
            first_step="Select another instance type or Availability Zone in the launch settings of the server.",
            source=f"{_EC2_LAUNCH}#ts-as-instancelaunchfailure-3",
        ),
    ),
    KnownError(
        id="block-device",
        codes=("InvalidBlockDeviceMapping",),
        phrases=("is smaller than snapshot", "Invalid device name"),
        hint=Hint(
            cause="A volume in the EC2 launch template is not valid, or does not match a disk of the server.",
            first_step="Correct the names, sizes and types of the volumes in the EC2 launch template of the server.",
            source=f"{_EC2_CODES}#InvalidBlockDeviceMapping",
        ),
    ),
    KnownError(
        id="launch-template",
        codes=(
            "InvalidLaunchTemplateId.NotFound",
            "InvalidLaunchTemplateId.VersionNotFound",
            "InvalidLaunchTemplateName.NotFoundException",
            "InvalidKeyPair.NotFound",
            "InvalidAMIID.NotFound",
            "InvalidAMIID.Unavailable",
        ),
        phrases=("You must use a valid fully-formed launch template",),
        hint=Hint(
            cause="The EC2 launch template of the server does not exist, or names something that does not exist.",
            first_step="Check the launch template, and the key pair and the image that the error names.",
            source=f"{_DRS_GUIDE}/ec2-launch.html",
        ),
    ),
    KnownError(
        id="tag-policy",
        codes=("TagPolicyViolation",),
        hint=Hint(
            cause="The tags of a resource do not comply with the tag policy of the AWS organization.",
            first_step="Correct the tags in the launch settings of the server, or the tag policy.",
            source=f"{_EC2_CODES}#CommonErrors",
        ),
    ),
    KnownError(
        id="termination-protection",
        phrases=("Modify its 'disableApiTermination' instance attribute",),
        hint=Hint(
            cause="Termination protection is enabled for the instance, so DRS cannot terminate it.",
            first_step="If the instance is not needed, disable its termination protection, and start the job again.",
            source=(
                "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/TroubleshootingInstancesShuttingDown.html"
                "#termination-protection-enabled"
            ),
        ),
    ),
    KnownError(
        id="stack-rollback",
        codes=("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_FAILED"),
        hint=Hint(
            cause="CloudFormation could not create or update the stack of the network, and rolled the change back.",
            first_step="Read the first failed event of the stack in CloudFormation.",
            source="https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html",
        ),
    ),
    KnownError(
        id="credentials",
        codes=(
            "ExpiredToken",
            "ExpiredTokenException",
            "RequestExpired",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
        ),
        phrases=("The security token included in the request is",),
        hint=Hint(
            cause="The credentials of a call have expired or are not valid.",
            first_step="Start the recovery again with new credentials.",
            source=f"{_EC2_CODES}#CommonErrors",
        ),
    ),
    KnownError(
        id="throttling",
        codes=("RequestLimitExceeded", "ThrottlingException", "TooManyRequestsException"),
        phrases=("(Throttling) when calling", "Rate exceeded"),
        hint=Hint(
            cause="AWS throttled a call, because the account made too many calls in a short time.",
            first_step="Start the recovery of the failed servers again, with fewer servers at the same time.",
            source=f"{_EC2_CODES}#api-error-codes-table-server",
        ),
    ),
    KnownError(
        id="conversion-server",
        phrases=("conversion server", "Conversion server", "Conversion Server"),
        hint=Hint(
            cause="The error is about the conversion server, which prepares the disks of the server for EC2.",
            first_step=(
                "Check that the staging area subnet reaches DRS and S3 on TCP port 443. Then search CloudTrail for "
                "denied calls."
            ),
            source=f"{_DRS_GUIDE}/Network-Requirements.html",
        ),
    ),
    KnownError(
        id="no-error",
        # Sentences of the module, in ``JobState``.
        phrases=("The job ended and did not launch this", "The job did not launch this"),
        hint=WITHOUT_ERROR,
    ),
    KnownError(
        id="access-denied",
        codes=("AccessDenied", "AccessDeniedException", "AuthFailure"),
        phrases=("is not authorized to perform",),
        hint=Hint(
            cause="AWS denied a call: a permission is missing, a policy denies it, or its credentials are not valid.",
            first_step="Allow the operation that the error names. If there is none, search CloudTrail for the call.",
            source="https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html",
        ),
    ),
    KnownError(
        id="parameter",
        codes=(
            "InvalidParameter",
            "InvalidParameterCombination",
            "InvalidParameterValue",
            "MissingParameter",
            "UnsupportedOperation",
            "ValidationError",
        ),
        hint=Hint(
            cause="AWS rejected a call because of a parameter or a setting. The error text names it.",
            first_step="Correct the launch settings or the EC2 launch template of the server.",
            source=f"{_EC2_CODES}#CommonErrors",
        ),
    ),
    KnownError(
        id="internal-error",
        codes=("InternalError", "InternalFailure", "InternalServerException", "ServerInternal", "ServiceUnavailable"),
        phrases=("(Unavailable) when calling", "Error Code: Unavailable;"),
        hint=Hint(
            cause="An AWS service reported an internal or temporary failure.",
            first_step=(
                "Start the recovery of the server again. If it fails again, check the AWS Health Dashboard and contact "
                "AWS Support."
            ),
            source=f"{_EC2_CODES}#api-error-codes-table-server",
        ),
    ),
)


def hint_of(error: str | None) -> Hint | None:
    """Return the hint for an error text. None if the error is not known.

    The time is proportional to the length of the examined part, also for a hostile text.
    """
    known = next(matching(error), None) if error else None
    return known.hint if known else None


def matching(error: str) -> Iterator[KnownError]:
    """Yield the entries that match an error text, in their order."""
    examined = error[:_MAX_EXAMINED]
    words = set(_WORD.findall(examined))
    words |= {word.removeprefix(origin) for origin in _ORIGINS for word in words if word.startswith(origin)}
    for known in KNOWN_ERRORS:
        if not words.isdisjoint(known.codes) or any(phrase in examined for phrase in known.phrases):
            yield known
