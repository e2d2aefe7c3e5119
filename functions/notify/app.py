"""Notify the subscribers of one repository per message group of the repositories queue (FIFO: one at a time)."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.adapters.sqs import decode_notify
from eclair.application import Application, on_aws

logger = Logger()
# A failed repository holds back its own messages of the batch, not those of others.
processor = SqsFifoPartialProcessor(skip_group_on_error=True)
processor.raise_on_entire_batch_failure = False


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Answer which messages have to be delivered again."""
    return respond(event, context, on_aws())


def respond(event: dict[str, Any], context: LambdaContext, application: Application) -> PartialItemFailureResponse:
    """Publish what waits for the repositories that the messages name."""

    def notify(record: SQSRecord) -> None:
        application.notify(decode_notify(record.body))

    return process_partial_response(event=event, record_handler=notify, processor=processor, context=context)
