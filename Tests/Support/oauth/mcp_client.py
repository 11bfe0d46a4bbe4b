#!/usr/bin/env python3
"""The MCP SDK's own client: mcp_client.py URL TOOL [--login]

Calls a tool, with the `Authorization` header that standard input holds, and prints what it answered as JSON. With
`--login` the SDK logs in by itself first, with drive_login.py for its browser: that shows of a server that others than
`vault` can.
"""
import argparse
import asyncio
import json
import sys
import urllib.parse

from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

from drive_login import drive


class Forgetful:
    """Keeps tokens and client for one run."""

    tokens = client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


class Driven:
    """A login in which the driver is the browser, and nobody listens on the redirect."""

    async def opened(self, url):
        self.callback = await asyncio.to_thread(drive, url)

    async def called_back(self):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.callback).query))
        return AuthorizationCodeResult(code=query["code"], state=query.get("state"), iss=query.get("iss"))


async def call_tool(url, tool, authorization=None):
    """What the tool answered, with a header or after a login of the SDK's own."""
    headers = {"Authorization": authorization} if authorization else None
    driven = Driven()
    login = None if authorization else OAuthClientProvider(
        url, OAuthClientMetadata(redirect_uris=["http://127.0.0.1:8765/callback"], client_name="sdk",
                                 token_endpoint_auth_method="none"),
        Forgetful(), driven.opened, driven.called_back)
    async with create_mcp_http_client(headers=headers, auth=login) as client:
        async with streamable_http_client(url, http_client=client) as streams:
            async with ClientSession(*streams[:2]) as session:
                await session.initialize()
                result = await session.call_tool(tool, {})
                return json.loads(result.content[0].text)


def call(url, tool, authorization=None):
    return asyncio.run(asyncio.wait_for(call_tool(url, tool, authorization), 60))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("tool")
    parser.add_argument("--login", action="store_true")
    options = parser.parse_args()
    print(json.dumps(call(options.url, options.tool, None if options.login else sys.stdin.read().strip())))
