"""The vendor's control-plane SDK, with its own signature. Prints the replies.

OPENAPI_HOST is host:port; VOLC_ACCESSKEY and VOLC_SECRETKEY are the credentials;
SSL_CERT_FILE holds the roots.
"""

import json
import os
import sys

import volcenginesdkark
import volcenginesdkcore
from volcenginesdkcore.rest import ApiException


def main():
    configuration = volcenginesdkcore.Configuration()
    configuration.ak = os.environ["VOLC_ACCESSKEY"]
    configuration.sk = os.environ["VOLC_SECRETKEY"]
    configuration.region = "cn-beijing"
    configuration.host = os.environ["OPENAPI_HOST"]
    configuration.schema = "https"
    configuration.ssl_ca_cert = os.environ["SSL_CERT_FILE"]
    configuration.auto_retry = False
    volcenginesdkcore.Configuration.set_default(configuration)
    api = volcenginesdkark.ARKApi()
    try:
        certificate = api.get_endpoint_certificate(
            volcenginesdkark.GetEndpointCertificateRequest(id="ep-20250101000000-abcde"))
        key = api.get_api_key(volcenginesdkark.GetApiKeyRequest(
            duration_seconds=604800, resource_type="endpoint", resource_ids=["ep-20250101000000-abcde"]))
    except ApiException as err:
        json.dump({"error": {"status": err.status}}, sys.stdout)
        return
    json.dump({
        "leaf": certificate.pca_instance_certificate,
        "sub_ca": certificate.pca_sub_ca_certificate,
        "root_ca": certificate.pca_root_ca_certificate,
        "api_key": key.api_key,
        "expires": key.expired_time,
    }, sys.stdout)


main()
