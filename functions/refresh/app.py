"""Refresh one part of a feed per message of the feeds queue."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.adapters.sqs import decode_refresh
from eclair.application import Application, on_aws

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Answer which messages have to be delivered again."""
    return respond(event, context, on_aws())


def respond(event: dict[str, Any], context: LambdaContext, application: Application) -> PartialItemFailureResponse:
    """Refresh what the messages name."""

    def refresh(record: SQSRecord) -> None:
        application.refresh(
            decode_refresh(record.body), remaining=lambda: context.get_remaining_time_in_millis() / 1000
        )

    return process_partial_response(event=event, record_handler=refresh, processor=processor, context=context)
