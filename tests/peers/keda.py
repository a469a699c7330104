"""KEDA's own contract of external scalers, by Go's module proxy, and a client made from it."""

import hashlib
import importlib
import io
import os
import subprocess
import sys
import tempfile
import urllib.request
import zipfile

from peers.turnpike import TOP

# KEDA's file is the same since 2.16.
VERSION = "v2.20.2"
SHA256 = "bdae92ef20cae67149eba43bf1fe17e284114f9af725b40dea52d69e317edde1"


def proto_file():
    """Where KEDA's externalscaler.proto is; fetched once, by Go's module proxy, which needs no Go."""
    kept = TOP / "build" / "tools" / f"keda-{VERSION}" / "externalscaler.proto"
    if not kept.exists():
        module = f"github.com/kedacore/keda/v2@{VERSION}"
        proxy = os.environ.get("GOPROXY", "").split(",")[0]
        if not proxy.startswith("http"):
            proxy = "https://proxy.golang.org"
        with urllib.request.urlopen(f"{proxy}/{module.replace('@', '/@v/')}.zip",
                                    timeout=60) as answer:
            archive = zipfile.ZipFile(io.BytesIO(answer.read()))
        content = archive.read(f"{module}/pkg/scalers/externalscaler/externalscaler.proto")
        assert hashlib.sha256(content).hexdigest() == SHA256, f"{module} is not what it was"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
    return kept


def descriptor_set(path):
    """A .proto file as protoc understands it, with KEDA's name: a FileDescriptorProto."""
    from google.protobuf import descriptor_pb2
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"--proto_path={path.parent}", f"--descriptor_set_out={out.name}",
                        path.name], check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read()).file
    assert len(files) == 1
    return files[0]


class Scaler:
    """What KEDA's operator does with an external scaler. `channel` is closed with it."""

    def __init__(self, channel):
        proto = proto_file()
        folder = tempfile.mkdtemp(prefix="turnpike-keda-")
        subprocess.run(["protoc", f"--proto_path={proto.parent}", f"--python_out={folder}",
                        proto.name], check=True)
        sys.path.insert(0, folder)
        self.messages = importlib.import_module("externalscaler_pb2")
        self.channel = channel

    def close(self):
        self.channel.close()

    def _call(self, method, request, response, kind="unary_unary"):
        return getattr(self.channel, kind)(
            f"/externalscaler.ExternalScaler/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString)(request, timeout=20)

    def object(self, **metadata):
        return self.messages.ScaledObjectRef(
            name="outbound-delivery", namespace="mail",
            scalerMetadata={"scalerAddress": "spool-store:7111", **metadata})

    def is_active(self, **metadata):
        return self._call("IsActive", self.object(**metadata),
                          self.messages.IsActiveResponse).result

    def stream_is_active(self, **metadata):
        """A call that yields responses."""
        return self._call("StreamIsActive", self.object(**metadata), self.messages.IsActiveResponse,
                          "unary_stream")

    def specs(self, **metadata):
        """{metric name: target}"""
        answer = self._call("GetMetricSpec", self.object(**metadata),
                            self.messages.GetMetricSpecResponse)
        return {spec.metricName: spec.targetSizeFloat for spec in answer.metricSpecs}

    def figure(self, metric, target="1"):
        """The one figure of a trigger, read as KEDA does."""
        request = self.messages.GetMetricsRequest(
            scaledObjectRef=self.object(metric=metric, target=target), metricName=metric)
        values = self._call("GetMetrics", request, self.messages.GetMetricsResponse).metricValues
        assert [value.metricName for value in values] == [metric]
        return values[0].metricValueFloat or float(values[0].metricValue)
