"""The AWS metrics of the alarms and the dashboard, with the documented sets of dimensions.

An alarm with an undocumented set of dimensions never fires. The embedded AWS cannot test this, because it publishes no
AWS metrics and does not evaluate alarms as AWS does.
"""

from __future__ import annotations

from typing import Final

# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
_LAMBDA: Final = [{"FunctionName"}, {"FunctionName", "Resource"}, set()]
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
_SQS: Final = [{"QueueName"}]
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html: the rule alone on the default bus
_EVENTS: Final = [{"RuleName"}, {"EventBusName", "RuleName"}]
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
_DYNAMODB: Final = [{"TableName", "Operation"}]
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
_HTTP_API: Final = [{"ApiId"}, {"ApiId", "Stage"}]
# https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
_SNS: Final = [{"TopicName"}]

AWS_DIMENSIONS: Final = {
    **{("AWS/Lambda", metric): _LAMBDA for metric in ("Duration", "Errors", "Throttles")},
    ("AWS/SQS", "ApproximateAgeOfOldestMessage"): _SQS,
    ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible"): _SQS,
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible"): _SQS,
    ("AWS/Events", "FailedInvocations"): _EVENTS,
    ("AWS/Events", "Invocations"): _EVENTS,
    ("AWS/Events", "InvocationsFailedToBeSentToDlq"): _EVENTS,
    ("AWS/DynamoDB", "SystemErrors"): _DYNAMODB,
    ("AWS/DynamoDB", "ThrottledRequests"): _DYNAMODB,
    **{("AWS/ApiGateway", metric): _HTTP_API for metric in ("4xx", "5xx", "Count", "Latency")},
    ("AWS/SNS", "NumberOfNotificationsFailed"): _SNS,
}
