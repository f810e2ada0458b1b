"""What a user of boto3 does with the object store; prints what each step saw as one line of JSON.

Arguments: the store's address, access key, secret, session token, region, bucket, and the prefix of keys that the
credentials are good for.
"""

from __future__ import annotations

import datetime
import io
import json
import sys
import urllib.request
from typing import Any
from unittest import mock

import boto3
import botocore.auth
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

URL, KEY, SECRET, TOKEN, REGION, BUCKET, PREFIX = sys.argv[1:]
LARGE = bytes(range(256)) * 60_000
seen: dict[str, Any] = {}


def client(secret: str = SECRET, token: str = TOKEN) -> Any:
    """Return a client with these credentials that tries once."""
    return boto3.client(
        "s3",
        endpoint_url=URL,
        aws_access_key_id=KEY,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def failure(call: Any) -> list[Any]:
    """Return what the store refuses *call* with."""
    try:
        call()
    except ClientError as error:
        return [error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]]
    return ["none", 200]


def at(minutes: int) -> Any:
    """Let botocore sign for another time."""
    moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    return mock.patch.object(botocore.auth, "get_current_datetime", return_value=moment)


store = client()
small, large = f"{PREFIX}/boto/small object+ü.txt", f"{PREFIX}/boto/large"
store.put_object(Bucket=BUCKET, Key=small, Body=b"0123456789")
seen["get"] = store.get_object(Bucket=BUCKET, Key=small)["Body"].read().decode()
seen["range"] = store.get_object(Bucket=BUCKET, Key=small, Range="bytes=2-4")["Body"].read().decode()
head = store.head_object(Bucket=BUCKET, Key=small)
seen["head"] = [head["ContentLength"], head["ETag"].startswith('"')]

parts = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20, max_concurrency=3)
store.upload_fileobj(io.BytesIO(LARGE), BUCKET, large, Config=parts)
back = io.BytesIO()
store.download_fileobj(BUCKET, large, back, Config=parts)
seen["multipart"] = back.getvalue() == LARGE

pages = store.get_paginator("list_objects_v2").paginate(
    Bucket=BUCKET, Prefix=f"{PREFIX}/boto/", PaginationConfig={"PageSize": 1}
)
seen["list"] = [entry["Key"].removeprefix(PREFIX) for page in pages for entry in page["Contents"]]
address = store.generate_presigned_url("get_object", {"Bucket": BUCKET, "Key": small}, ExpiresIn=60)
with urllib.request.urlopen(address, timeout=20) as answer:
    seen["presigned"] = answer.read().decode()

seen["wrong secret"] = failure(lambda: client(secret="x").get_object(Bucket=BUCKET, Key=small))
seen["wrong token"] = failure(lambda: client(token="x").get_object(Bucket=BUCKET, Key=small))
seen["foreign key"] = failure(lambda: store.put_object(Bucket=BUCKET, Key="elsewhere", Body=b"x"))
seen["no such key"] = failure(lambda: store.get_object(Bucket=BUCKET, Key=f"{small}.none"))
for name, minutes in (("clock behind", -30), ("clock ahead", 30)):
    with at(minutes):
        seen[name] = failure(lambda: store.get_object(Bucket=BUCKET, Key=small))
upload = store.create_multipart_upload(Bucket=BUCKET, Key=large)["UploadId"]
store.abort_multipart_upload(Bucket=BUCKET, Key=large, UploadId=upload)
seen["aborted"] = failure(
    lambda: store.upload_part(Bucket=BUCKET, Key=large, UploadId=upload, PartNumber=1, Body=b"x")
)
for key in (small, large):
    store.delete_object(Bucket=BUCKET, Key=key)
seen["deleted"] = failure(lambda: store.get_object(Bucket=BUCKET, Key=small))
print(json.dumps(seen))
