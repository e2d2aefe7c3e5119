"""Refresh one part of a feed per message of the feeds queue."""

from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.adapters.sqs import decode_refresh
from eclair.application import Application, on_aws
from eclair.health import FeedReport

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Answer which messages have to be delivered again."""
    return respond(event, context, on_aws())


def respond(event: dict[str, Any], context: LambdaContext, application: Application) -> PartialItemFailureResponse:
    """Refresh what the messages name."""

    def refresh(record: SQSRecord) -> None:
        request = decode_refresh(record.body)
        try:
            application.refresh(request, remaining=lambda: context.get_remaining_time_in_millis() / 1000)
        finally:
            measure(application.report.feed(request.feed, request.part), application.settings.stack)

    return process_partial_response(event=event, record_handler=refresh, processor=processor, context=context)


def measure(part: FeedReport, stack: str) -> None:
    """Tell the age of what was ever loaded; by feed, not by part, since each series costs by the month."""
    if part.age_seconds is None:
        return
    hours = part.age_seconds / 3600
    with single_metric(name="FeedAgeHours", unit=MetricUnit.NoUnit, value=hours, namespace=stack) as metric:
        metric.add_dimension(name="Feed", value=part.feed)
        metric.add_metadata(key="part", value=part.part)
        metric.add_metadata(key="state", value=part.state)
