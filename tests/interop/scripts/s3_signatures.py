"""Signs requests with botocore: reads a list of JSON objects, and prints the `Authorization` of each as a list."""

from __future__ import annotations

import datetime
import json
import sys
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

signatures = []
for wanted in json.load(sys.stdin):
    moment = datetime.datetime.strptime(wanted["timestamp"], "%Y%m%dT%H%M%SZ")
    request = AWSRequest(
        method=wanted["method"],
        url=wanted["url"],
        headers={"X-Amz-Content-SHA256": wanted["payload_hash"], **wanted["headers"]},
    )
    credentials = Credentials(wanted["access_key"], wanted["secret"], wanted["token"])
    signer = botocore.auth.S3SigV4Auth(credentials, "s3", wanted["region"])
    with (
        mock.patch.object(botocore.auth, "get_current_datetime", return_value=moment),
        mock.patch.object(signer, "payload", return_value=wanted["payload_hash"]),
    ):
        signer.add_auth(request)
    signatures.append(request.headers["Authorization"])
print(json.dumps(signatures))
