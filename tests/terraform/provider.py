"""Stands in for the hashicorp/aws provider, whose registry cannot be reached from everywhere: speaks Terraform's plugin protocol 6 with the real
provider's schema (schema.json) for the resources that the repository uses, and makes up what AWS would answer.

With it, real Terraform checks every name, type and expression of the code, and plans, applies and keeps state as it would. What it cannot tell is
whether AWS would accept the values.

Prints one line, what to set TF_REATTACH_PROVIDERS to, and ends when standard input does.
"""

import json
import os
import pathlib
import sys
from concurrent import futures

import grpc
import msgpack

RESOURCES = json.loads((pathlib.Path(__file__).parent / "schema.json").read_text())["resources"]
UNKNOWN = msgpack.ExtType(0, b"\x00")


# --- Protocol buffers, as much as is needed ---------------------------------------------------------------------------------


def varint(number):
    out = bytearray()
    while True:
        out.append(number & 0x7F | (0x80 if number > 0x7F else 0))
        number >>= 7
        if not number:
            return bytes(out)


def field(number, value):
    """A field with a number, a truth value, a text, bytes, or an encoded message (bytes)."""
    if isinstance(value, (bool, int)):
        return varint(number << 3) + varint(int(value))
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def parse(message):
    """The last value of each field; requests to a provider hold no numbers that matter here."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return value

    while at < len(message):
        tag = number()
        if tag & 7 == 2:
            length = number()
            fields[tag >> 3] = message[at : at + length]
            at += length
        else:
            fields[tag >> 3] = number()
    return fields


# --- Schema ------------------------------------------------------------------------------------------------------------------


def attribute(name, kind, required=False, computed=False):
    # Whether AWS fills in what is left out is not in the schema that the bindings carry: let it fill in anything.
    optional = not required and not computed
    flags = field(4, required) + field(5, optional) + field(6, not required)
    return field(2, field(1, name) + field(2, json.dumps(kind)) + flags)


def block(attributes, nested=b""):
    content = b"".join(attribute(name, a["type"], a.get("required", False), a.get("computed", False)) for name, a in attributes.items())
    return field(2, content + nested)


def schema():
    default_tags = block({"tags": {"type": ["map", "string"]}})
    nested = field(3, field(1, "default_tags") + default_tags + field(3, 2) + field(5, 1))
    provider = block({"region": {"type": "string"}, "allowed_account_ids": {"type": ["set", "string"]}}, nested)
    resources = b"".join(field(2, field(1, name) + field(2, block(attributes))) for name, attributes in RESOURCES.items())
    return field(1, provider) + resources


# --- Resources ---------------------------------------------------------------------------------------------------------------


def unpack(dynamic):
    return msgpack.unpackb(parse(dynamic)[1], raw=False, strict_map_key=False)


def pack(value):
    return field(1, msgpack.packb(value))


def plan(request):
    prior, proposed = unpack(request[2]), unpack(request[3])
    if proposed is not None and prior is None:
        proposed = {name: UNKNOWN if value is None else value for name, value in proposed.items()}
    return field(1, pack(proposed))


def apply(request):
    kind, planned = request[1].decode(), unpack(request[3])
    if planned is not None:
        planned = {name: made_up(kind, name) if isinstance(value, msgpack.ExtType) else value for name, value in planned.items()}
    return field(1, pack(planned))


made = 0


def made_up(resource, name):
    global made
    kind = RESOURCES[resource][name]["type"]
    if isinstance(kind, list):
        return {} if kind[0] == "map" else []
    if kind in ("bool", "number"):
        return False if kind == "bool" else 0
    made += 1
    return f"{resource}-{name}-{made}"


ANSWERS = {
    "GetProviderSchema": lambda request: schema(),
    "ValidateProviderConfig": lambda request: b"",
    "ConfigureProvider": lambda request: b"",
    "ValidateResourceConfig": lambda request: b"",
    "UpgradeResourceState": lambda request: field(1, field(2, parse(request[3])[1])),
    "ReadResource": lambda request: field(1, request[2]),
    "PlanResourceChange": plan,
    "ApplyResourceChange": apply,
    "StopProvider": lambda request: b"",
}


class Provider(grpc.GenericRpcHandler):
    def service(self, call):
        answer = ANSWERS.get(call.method.rsplit("/", 1)[1])
        if answer is None or "tfplugin6.Provider" not in call.method:
            return None
        return grpc.unary_unary_rpc_method_handler(lambda request, _context: answer(parse(request)))


if __name__ == "__main__":
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8), handlers=[Provider()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    address = {"Network": "tcp", "String": f"127.0.0.1:{port}"}
    reattach = {"Protocol": "grpc", "ProtocolVersion": 6, "Pid": os.getpid(), "Test": True, "Addr": address}
    print(json.dumps({"registry.terraform.io/hashicorp/aws": reattach}), flush=True)
    sys.stdin.read()
