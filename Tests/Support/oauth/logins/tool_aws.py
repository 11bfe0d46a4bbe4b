#!/usr/bin/env python3
"""The AWS CLI, with `credential_process = vault helper aws NAME`, and what STS and IAM Identity Center answer."""
from place import *

ROLE = "arn:aws:iam::123456789012:role/dev/reader"


def sts_answer(key="ASIAEXAMPLE", secret="hush+/&lt;", token="FwoG//session==", end="2099-01-01T00:00:00Z"):
    return (f'<?xml version="1.0"?>\n'
            f'<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">\n'
            f'  <AssumeRoleWithWebIdentityResult>\n    <AssumedRoleUser><Arn>x</Arn></AssumedRoleUser>\n    <Credentials>\n'
            f'      <SessionToken>{token}</SessionToken><SecretAccessKey>{secret}</SecretAccessKey>\n'
            f'      <Expiration>{end}</Expiration><AccessKeyId>{key}</AccessKeyId>\n    </Credentials>\n'
            f'  </AssumeRoleWithWebIdentityResult>\n</AssumeRoleWithWebIdentityResponse>\n')


def sts_error(code, status):
    return status, (f'<ErrorResponse xmlns="x"><Error><Type>Sender</Type><Code>{code}</Code><Message>secret '
                    f'words</Message></Error><RequestId>1</RequestId></ErrorResponse>')


def role(home, server, name="cloud"):
    home.logged_in(name, server, "--scope", "openid", "--scope", "offline_access")
    home.describe(name, "aws_role_arn=" + ROLE, "aws_region=eu-central-1")


def cli():
    """The real CLI, by the credentials that moto's STS gives for the id token."""
    aws, moto = tool("aws"), tool("moto_server")
    server = authlib()
    port = free_port()
    with Home() as home:
        role(home, server)
        running = subprocess.Popen([moto, "-H", "127.0.0.1", "-p", str(port)], env=os.environ | {"HOME": home.root},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + PATIENCE
            while is_closed(port) and time.monotonic() < deadline:
                pass
            endpoint = f"http://127.0.0.1:{port}"
            configuration = home.file("aws/config", "[default]\nregion = eu-central-1\ncredential_process = " + shlex.join(
                [home.program, "helper", "aws", "cloud", "--endpoint", endpoint]) + "\n")
            done = subprocess.run(
                [aws, "sts", "get-caller-identity", "--endpoint-url", endpoint, "--output", "json"], capture_output=True,
                text=True, timeout=PATIENCE, start_new_session=True,
                env=home.environment | {"AWS_CONFIG_FILE": configuration, "AWS_EC2_METADATA_DISABLED": "true"})
            identity = json.loads(done.stdout or "{}")
            expect("the CLI is the role, in a session of the entry's name",
                   re.fullmatch(r"arn:aws:sts::\d{12}:assumed-role/.*reader/vault-cloud", identity.get("Arn", "")),
                   identity, done.stderr)
            first, second = (home.must("helper", "aws", "cloud", "--endpoint", endpoint).json for _ in range(2))
            expect("kept nowhere: each time others", first["AccessKeyId"] != second["AccessKeyId"])
            expect("as credential_process wants them", list(first) == [
                "Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] and first["Version"] == 1, first)
        finally:
            running.terminate()
            running.wait(10)


def exchanges():
    """What is sent to either service, and what is made of its answer."""
    server = authlib()
    with Home() as home:
        role(home, server)
        service = Scripted({
            "/": lambda _: (200, sts_answer()),
            "/federation/credentials": lambda _: (200, {"roleCredentials": {
                "accessKeyId": "ASIASSO", "secretAccessKey": "s/+", "sessionToken": "t==", "expiration": 4070908800000}}),
        })
        outcome = home.vault("helper", "aws", "cloud", "--endpoint", service.base + "/")
        expect("the role's", outcome.status == 0 and outcome.json == {
            "Version": 1, "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "hush+/<", "SessionToken": "FwoG//session==",
            "Expiration": "2099-01-01T00:00:00Z"}, outcome)
        method, _, body, fields = service.asked[-1]
        identity = home.must("token", "cloud", "--id-token").out.strip()
        expect("the request", method == "POST" and query_of("?" + body) == {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE,
            "RoleSessionName": "vault-cloud", "WebIdentityToken": identity} and "Authorization" not in fields, body)
        expect("the endpoint's root without its slash",
               home.vault("helper", "aws", "cloud", "--endpoint", service.base).status == 0)

        home.logged_in("sso", server)
        home.describe("sso", "aws_sso_account_id=123456789012", "aws_sso_role_name=Read+Only", "aws_region=us-east-1")
        outcome = home.vault("helper", "aws", "sso", "--endpoint", service.base + "/")
        expect("Identity Center's", outcome.status == 0 and outcome.json == {
            "Version": 1, "AccessKeyId": "ASIASSO", "SecretAccessKey": "s/+", "SessionToken": "t==",
            "Expiration": "2099-01-01T00:00:00Z"}, outcome)
        method, path, _, fields = service.asked[-1]
        token = home.must("token", "sso").out.strip()
        expect("the request", method == "GET" and {name.lower(): value for name, value in fields.items()}.get(
            "x-amz-sso_bearer_token") == token and path == "/federation/credentials", service.asked[-1])
        for endpoint in ("http://sts.example.com", "ftp://127.0.0.1", "https://a@127.0.0.1", "127.0.0.1"):
            fails(f"--endpoint {endpoint}", home.vault("helper", "aws", "cloud", "--endpoint", endpoint), 10)


def refusals():
    """Each error of the services as the code that says what to do."""
    server = authlib()
    answers = []
    with Home() as home:
        role(home, server)
        home.logged_in("sso", server)
        home.describe("sso", "aws_sso_account_id=123456789012", "aws_sso_role_name=r", "aws_region=us-east-1")
        asked = lambda _: answers[-1]
        service = Scripted({"/": asked, "/federation/credentials": asked, "/elsewhere": lambda _: (200, sts_answer())})

        def expect_refusal(name, answer, status, *words):
            answers.append(answer)
            outcome = home.vault("helper", "aws", name, "--endpoint", service.base + "/")
            fails(f"{name} {answer[0]} {words}", outcome, status, *words)
            expect("its text stays out", "secret words" not in outcome.err, outcome)

        for code, http, status in (
                ("ExpiredTokenException", 400, 5), ("InvalidIdentityToken", 400, 5), ("IDPRejectedClaim", 403, 5),
                ("AccessDenied", 403, 78), ("ValidationError", 400, 78), ("MalformedPolicyDocument", 400, 78),
                ("Throttling", 400, 9), ("ThrottlingException", 400, 9), ("IDPCommunicationError", 400, 9),
                ("InternalFailure", 500, 9), ("ServiceUnavailable", 503, 9)):
            expect_refusal("cloud", sts_error(code, http), status, code)
        expect_refusal("cloud", (400, "no XML"), 78)
        expect_refusal("cloud", sts_error("x\x1b[2J", 400), 78)
        expect_refusal("cloud", (307, "", {"Location": service.base + "/elsewhere"}), 10, "redirect")
        expect("the redirect was not followed", "/elsewhere" not in service.paths())
        kind = "X-Amzn-Errortype"
        for code, http, status in (("UnauthorizedException", 401, 5), ("ForbiddenException", 403, 78),
                                   ("ResourceNotFoundException", 404, 78), ("InvalidRequestException", 400, 78),
                                   ("TooManyRequestsException", 429, 9)):
            expect_refusal("sso", (http, {"message": "secret words"}, {kind: code + ":http://internal/x"}), status, code)
        expect_refusal("sso", (403, {"__type": "com.amazon#ForbiddenException"}), 78, "ForbiddenException")
        fails("nobody there", home.vault("helper", "aws", "cloud", "--endpoint", f"http://127.0.0.1:{free_port()}"), 9)

        home.logged_in("bare", server, "--scope", "openid")
        fails("no role", home.vault("helper", "aws", "bare"), 78, "vault edit bare --meta aws_role_arn=")
        for number, facts in enumerate((
                ("aws_role_arn=" + ROLE,), ("aws_role_arn=arn:aws:iam::1:role/x", "aws_region=eu-central-1"),
                ("aws_role_arn=" + ROLE, "aws_region=evil.example.com/"), ("aws_role_arn=" + ROLE, "aws_region=eu@evil"),
                ("aws_sso_account_id=12345678901x", "aws_sso_role_name=r", "aws_region=us-east-1"),
                ("aws_sso_account_id=123456789012", "aws_sso_role_name=a&b", "aws_region=us-east-1"))):
            name = f"bad-{number}"
            home.logged_in(name, server, "--scope", "openid")
            home.describe(name, *facts)
            fails(f"{facts}", home.vault("helper", "aws", name, "--endpoint", service.base + "/"), 78)
        home.logged_in("noid", server, "--scope", "files.read")
        home.describe("noid", "aws_role_arn=" + ROLE, "aws_region=eu-central-1")
        fails("no id token", home.vault("helper", "aws", "noid"), 4, "--scope openid")


def answers():
    """Answers that are none: exit 9, nothing printed, nothing of them shown."""
    server = authlib()
    answer = []
    good = sts_answer()
    bad = {
        "empty": "", "no XML": "hush", "JSON": "{}", "cut": good[:-40], "two roots": good + "<a/>",
        "a document type": good.replace("?>\n", '?><!DOCTYPE a [<!ENTITY x "hush">]>', 1),
        "an entity": sts_answer(key="&x;"),
        "CDATA": sts_answer(key="<![CDATA[hush]]>"), "a comment": sts_answer(key="A<!-- -->B"),
        "two of a kind": good.replace("</Credentials>", "<AccessKeyId>B</AccessKeyId></Credentials>"),
        "elements in a key": sts_answer(key="<b>hush</b>"), "an empty key": sts_answer(key=""),
        "a line break in a key": sts_answer(key="a\nb"), "a reference to a control character": sts_answer(key="a&#10;b"),
        "a reference to a NUL": sts_answer(key="a&#0;b"), "a surrogate": sts_answer(key="&#xD800;"),
        "beyond ASCII": sts_answer(key="\u00e9"), "no time": sts_answer(end="soon"), "crossed tags": "<a><b></a></b>",
        "deep": "<a>" * 100_000, "wide": "<a>" + "<b/>" * 100_000 + "</a>", "an open attribute": '<a b="',
        "another answer": good.replace("WebIdentity", "SAML"), "large": " " * (2 << 20) + good,
        "a control character": good.replace("<Arn>x", "<Arn>\x01"),
        "not UTF-8": good.encode().replace(b"ASIA", b"\xff\xfe"),
    }
    with Home() as home:
        role(home, server)
        service = Scripted({"/": lambda _: (200, answer[-1])})
        for what, text in bad.items():
            answer.append(text)
            outcome = home.vault("helper", "aws", "cloud", "--endpoint", service.base + "/")
            fails(what, outcome, 9)
            expect("and says nothing of it", "hush" not in outcome.err and len(outcome.err) < 1000, outcome.err)
        answer.append(sts_answer(key="A&amp;&#x41;&#66;"))
        outcome = home.vault("helper", "aws", "cloud", "--endpoint", service.base + "/")
        expect("references are read", outcome.status == 0 and outcome.json["AccessKeyId"] == "A&AB", outcome)


if __name__ == "__main__":
    main(cli, exchanges, refusals, answers)
