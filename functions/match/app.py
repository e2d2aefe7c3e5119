"""Match changed statements with package sets: records of the advisories table's stream, and those set aside before.

A record that fails must not hold up its shard: it is set aside on the matches queue with the reason, which delivers it
again and, in the end, to a dead-letter queue. Where even that fails (the queue does not answer, or the record is too
long for it) so does the invocation: Lambda halves the batch, and in the end sets aside the number of the record.
"""

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from eclair.adapters.stream import statement_change
from eclair.application import Application, on_aws

logger = Logger()
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Answer which messages have to be delivered again; of stream records none has to."""
    return respond(event, context, on_aws())


def respond(event: dict[str, Any], context: LambdaContext, application: Application) -> PartialItemFailureResponse:
    """Match the records of the stream, or those that messages bring again."""

    def again(record: SQSRecord) -> None:
        application.match([statement_change(json.loads(record.body)["record"])])

    records = event["Records"]
    if records and records[0].get("eventSource") == "aws:sqs":
        return process_partial_response(event=event, record_handler=again, processor=processor, context=context)
    for record in records:
        match(record, application)
    return {"batchItemFailures": []}


def match(record: dict[str, Any], application: Application) -> None:
    """Match one record, or set it aside."""
    try:
        application.match([statement_change(record)])
    except Exception as error:  # noqa: BLE001 - whatever it is, the records behind this one must go on
        logger.warning("record set aside", extra={"event_id": record.get("eventID"), "reason": repr(error)})
        application.queues.set_aside(json.dumps(record), repr(error))
