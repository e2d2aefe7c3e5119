"""Index one image per message of the images queue."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.adapters.sqs import decode_index
from eclair.application import Application, on_aws

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Answer which messages have to be delivered again."""
    return respond(event, context, on_aws())


def respond(event: dict[str, Any], context: LambdaContext, application: Application) -> PartialItemFailureResponse:
    """Index the images that the messages name."""

    def index(record: SQSRecord) -> None:
        application.index(decode_index(record.body), remaining=lambda: context.get_remaining_time_in_millis() / 1000)

    return process_partial_response(event=event, record_handler=index, processor=processor, context=context)
