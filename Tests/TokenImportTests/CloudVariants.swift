import VaultAPI

/// The forms that each tool's versions have written: the oldest known, without what may be missing, with several
/// accounts, and with members that nobody knows.
let cloudVariants: [CloudCase] =
    googleVariants + microsoftVariants + clusterVariants + familyVariants + keyVariants

private let google = "to=https://oauth2.googleapis.com/token"

private let googleVariants: [CloudCase] = [
    CloudCase(
        "google-adc",
        "legacy_credentials/a/adc.json",
        #"{"client_id":"c","client_secret":"s","refresh_token":"1//r","type":"authorized_user"}"#,
        ["oauth:google-adc client=c \(google) refresh_token=1//r client_secret=s at "]
    ),
    CloudCase(
        "google-adc",
        "x.json",
        #"{"type":"authorized_user","client_id":"c","client_secret":null,"refresh_token":"r","account":"u@example.com"}"#,
        ["oauth:google-adc account=u@example.com client=c \(google) refresh_token=r at "]
    ),
    CloudCase(
        "google-adc",
        "x.json",
        #"""
        {"type":"impersonated_service_account","delegates":[],"quota_project_id":"q",
        "service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/x:generateAccessToken",
        "source_credentials":{"client_id":"c","client_secret":"s","refresh_token":"r","type":"authorized_user"}}
        """#,
        ["oauth:google-adc client=c \(google) refresh_token=r client_secret=s at /source_credentials"],
        notes: ["does not impersonate"]
    ),
    CloudCase(
        "google-auth",
        ".google_workspace_mcp/credentials/user@example.com.json",
        #"""
        {"token":"ya29.x","refresh_token":"1//r","token_uri":"https://oauth2.googleapis.com/token","client_id":"c",
        "client_secret":"s","scopes":["a","b"],"expiry":"2030-01-01T00:00:00"}
        """#,
        [
            "oauth:google-user@example.com account=user@example.com expires=2030-01-01T00:00:00Z client=c \(google) "
                + "access_token=ya29.x refresh_token=1//r client_secret=s at "
        ]
    ),
    CloudCase(
        "google-auth",
        "b@example.com.json",
        #"{"token":"t","refresh_token":null,"token_uri":"https://oauth2.googleapis.com/token","client_id":"c","expiry":null}"#,
        ["oauth:google-b@example.com account=b@example.com client=c \(google) access_token=t at "]
    ),
    CloudCase(
        "google-auth",
        "token.json",
        #"{"token":null,"refresh_token":"r","token_uri":"https://accounts.google.com/o/oauth2/token","client_id":"c","account":"d@example.com","expiry":"2030-01-01T00:00:00Z"}"#,
        [
            "oauth:google-token account=d@example.com expires=2030-01-01T00:00:00Z client=c "
                + "to=https://accounts.google.com/o/oauth2/token refresh_token=r at "
        ]
    ),
    CloudCase(
        "google-auth",
        "token.json",
        #"{"token":"t","refresh_token":"r","token_uri":"https://evil.example/token","client_id":"c","client_secret":"s"}"#,
        ["oauth:google-token client=c held access_token=t refresh_token=r client_secret=s at "],
        notes: ["--token-url"]
    ),
    CloudCase(
        "gam",
        ".gam/oauth2.txt",
        #"""
        {"client_id":"c","client_secret":"s","decoded_id_token":{"email":"admin@example.com","exp":1},"id_token":"a.b.c",
        "refresh_token":"1//r","scopes":["x"],"token":"ya29.x","token_expiry":"2030-01-01T00:00:00Z",
        "token_uri":"https://oauth2.googleapis.com/token"}
        """#,
        [
            "oauth:gam account=admin@example.com expires=2030-01-01T00:00:00Z client=c \(google) access_token=ya29.x "
                + "refresh_token=1//r id_token=a.b.c client_secret=s at "
        ]
    ),
    CloudCase(
        "gam",
        "oauth2.txt",
        #"{"token":"t","token_expiry":"","token_uri":"https://www.googleapis.com/oauth2/v4/token","client_id":"c"}"#,
        ["oauth:gam client=c to=https://www.googleapis.com/oauth2/v4/token access_token=t at "]
    ),
    CloudCase(
        "gam",
        "oauth2.txt",
        #"{"token":null,"decoded_id_token":null,"refresh_token":"r","token_uri":"https://evil.example","client_id":"c"}"#,
        ["oauth:gam client=c held refresh_token=r at "],
        notes: ["none of Google's"]
    ),
    CloudCase(
        "oauth2client",
        "storage.json",
        #"""
        {"_module":"oauth2client.client","_class":"OAuth2Credentials","access_token":"ya29.x","client_id":"c",
        "client_secret":"s","refresh_token":"1//r","token_expiry":"2030-01-01T00:00:00Z","invalid":false,
        "token_uri":"https://accounts.google.com/o/oauth2/token","user_agent":null,"revoke_uri":null,
        "id_token":{"email":"user@example.com"},"token_response":{"access_token":"ya29.x","token_type":"Bearer",
        "expires_in":3600,"refresh_token":"1//r"}}
        """#,
        [
            "oauth:google-storage account=user@example.com expires=2030-01-01T00:00:00Z client=c "
                + "to=https://accounts.google.com/o/oauth2/token access_token=ya29.x refresh_token=1//r client_secret=s "
                + "copy of access_token at /token_response/access_token "
                + "copy of refresh_token at /token_response/refresh_token at "
        ]
    ),
    CloudCase(
        "oauth2client",
        "old.dat.json",
        #"{"_module":"oauth2client.client","access_token":"t","client_id":"c","token_expiry":null,"invalid":true}"#,
        ["oauth:google-old.dat client=c access_token=t at "],
        notes: ["refused"]
    ),
    CloudCase(
        "oauth2client",
        "multistore.json",
        #"""
        {"file_version": 1, "x-unknown": 1.50, "data": [
          {"key": {"account": "a@example.com", "type": "google"}, "credential": {"_module": "oauth2client.client",
            "refresh_token": "r-a", "client_id": "c", "token_uri": "https://oauth2.googleapis.com/token"}},
          {"key": {"account": "b@example.com"}, "credential": {"_module": "oauth2client.client", "access_token": "t-b",
            "token_expiry": "2030-01-01T00:00:00Z", "refresh_token": "r-b", "client_id": "c",
            "token_uri": "https://oauth2.googleapis.com/token"}}
        ]}
        """#,
        [
            "oauth:google-a@example.com account=a@example.com client=c \(google) refresh_token=r-a at /data/0/credential",
            "oauth:google-b@example.com account=b@example.com expires=2030-01-01T00:00:00Z client=c \(google) "
                + "access_token=t-b refresh_token=r-b at /data/1/credential",
        ]
    ),
    CloudCase(
        "mutt",
        "m.json",
        #"{"registration":"microsoft","authflow":"devicecode","email":"u@example.com","access_token":"","access_token_expiration":"","refresh_token":"r","client_id":"c","client_secret":""}"#,
        [
            "oauth:mutt-u@example.com account=u@example.com client=c "
                + "to=https://login.microsoftonline.com/common/oauth2/v2.0/token held refresh_token=r at "
        ]
    ),
    CloudCase(
        "mutt",
        "mail.json",
        #"{"registration":"google","access_token":"t","access_token_expiration":"2030-07-01T09:00:00","refresh_token":"r"}"#,
        ["oauth:mutt-mail expires=\(localInstant(2030, 7, 1, 9)) \(google) access_token=t refresh_token=r at "],
        notes: ["--client-id"]
    ),
    CloudCase(
        "mutt",
        "mail.json",
        #"{"registration":"elsewhere","access_token":"t","access_token_expiration":null,"refresh_token":"r","client_id":"c"}"#,
        ["oauth:mutt-mail client=c held access_token=t refresh_token=r at "],
        notes: ["neither", "--token-url"]
    ),
]

private let microsoftVariants: [CloudCase] = [
    CloudCase(
        "msal",
        "msal_token_cache.json",
        #"""
        {
            "AccessToken": {
                "a1": {"credential_type": "AccessToken", "secret": "at-graph", "home_account_id": "a.t",
                    "environment": "login.microsoftonline.com", "client_id": "az", "realm": "t",
                    "target": "https://graph.microsoft.com//.default", "expires_on": "1893459600"},
                "a2": {"credential_type": "AccessToken", "secret": "at-arm", "home_account_id": "a.t",
                    "environment": "login.microsoftonline.com", "client_id": "az", "realm": "t",
                    "target": "https://management.core.windows.net//.default", "expires_on": "1893456000"},
                "b1": {"credential_type": "AccessToken", "secret": "at-b", "home_account_id": "b.t",
                    "environment": "login.microsoftonline.us", "client_id": "az", "realm": "u",
                    "target": "x y", "cached_at": 1893452400, "expires_on": 1893456000}
            },
            "Account": {
                "x": {"home_account_id": "a.t", "username": "a@example.com", "realm": "t"},
                "y": {"home_account_id": "b.t", "username": "b@example.com", "realm": "u"}
            },
            "IdToken": {},
            "RefreshToken": {
                "r1": {"credential_type": "RefreshToken", "secret": "rt-a", "home_account_id": "a.t",
                    "environment": "login.microsoftonline.com", "client_id": "az", "family_id": "1"},
                "r2": {"credential_type": "RefreshToken", "secret": "rt-a", "home_account_id": "a.t",
                    "environment": "login.microsoftonline.com", "client_id": "teams", "family_id": "1"},
                "r3": {"credential_type": "RefreshToken", "secret": "rt-b", "home_account_id": "b.t",
                    "environment": "login.microsoftonline.us", "client_id": "az"}
            },
            "AppMetadata": {"m": {"client_id": "az", "x-unknown": 1.50}}
        }
        """#,
        [
            "oauth:azure-a@example.com account=a@example.com expires=2030-01-01T00:00:00Z client=az "
                + "to=https://login.microsoftonline.com/t/oauth2/v2.0/token held access_token=at-arm refresh_token=rt-a "
                + "copy of refresh_token at /RefreshToken/r2/secret at /RefreshToken/r1",
            "oauth:azure-b@example.com account=b@example.com expires=2030-01-01T00:00:00Z client=az "
                + "to=https://login.microsoftonline.us/u/oauth2/v2.0/token held access_token=at-b refresh_token=rt-b "
                + "at /RefreshToken/r3",
        ],
        notes: ["2 access tokens"]
    ),
    CloudCase(
        "msal",
        "old.json",
        #"""
        {"AccessToken":{"k":{"credential_type":"AccessToken","secret":"at","home_account_id":null,"client_id":"sp",
        "environment":"login.microsoftonline.com","realm":"t","target":"https://graph.microsoft.com/.default",
        "expires_on":"1893456000"}}}
        """#,
        [
            "oauth:azure-sp account=sp expires=2030-01-01T00:00:00Z client=sp "
                + "to=https://login.microsoftonline.com/t/oauth2/v2.0/token access_token=at at /AccessToken/k"
        ]
    ),
    CloudCase(
        "msal",
        "planted.json",
        #"""
        {"RefreshToken":{"k":{"credential_type":"RefreshToken","secret":"rt","home_account_id":"a.t","client_id":"az",
        "environment":"login.evil.example"}},"Account":{"a":{"home_account_id":"a.t","realm":"t"}}}
        """#,
        ["oauth:azure-a.t account=a.t client=az held refresh_token=rt at /RefreshToken/k"],
        notes: ["login.evil.example"]
    ),
    CloudCase(
        "msal",
        "two-clients.json",
        #"""
        {"RefreshToken":{"k1":{"credential_type":"RefreshToken","secret":"rt-1","home_account_id":"a.t","client_id":"one",
        "environment":"login.windows.net"},"k2":{"credential_type":"RefreshToken","secret":"rt-2","home_account_id":"a.t",
        "client_id":"two","environment":"login.windows.net"}},
        "AccessToken":{"k":{"credential_type":"AccessToken","secret":"at-2","home_account_id":"a.t","client_id":"two",
        "environment":"login.windows.net","realm":"t","target":"s","expires_on":"0"}},
        "Account":{"a":{"home_account_id":"a.t","username":"a@example.com","realm":"t"}}}
        """#,
        [
            "oauth:azure-a@example.com account=a@example.com client=one "
                + "to=https://login.windows.net/t/oauth2/v2.0/token held refresh_token=rt-1 at /RefreshToken/k1",
            "oauth:azure-a@example.com account=a@example.com client=two "
                + "to=https://login.windows.net/t/oauth2/v2.0/token held access_token=at-2 refresh_token=rt-2 "
                + "at /RefreshToken/k2",
        ]
    ),
    CloudCase(
        "azure-legacy",
        ".azure/accessTokens.json",
        #"""
        [{"tokenType":"Bearer","expiresIn":3599,"expiresOn":"2030-01-01 09:00:00.123456",
        "resource":"https://management.core.windows.net/","accessToken":"at-1","refreshToken":"rt-1",
        "userId":"u@example.com","isMRRT":true,"_clientId":"az","_authority":"https://login.microsoftonline.com/t"},
        {"expiresOn":"2030-01-01T00:00:00.000Z","resource":"https://graph.windows.net/","accessToken":"at-2",
        "refreshToken":"rt-1","userId":"u@example.com","_clientId":"az",
        "_authority":"https://login.microsoftonline.com/t"},
        {"servicePrincipalId":"sp","servicePrincipalTenant":"t","accessToken":"the secret"}]
        """#,
        [
            "oauth:azure-u@example.com account=u@example.com "
                + "expires=\(localInstant(2030, 1, 1, 9, ".123456")) client=az "
                + "to=https://login.microsoftonline.com/t/oauth2/v2.0/token held access_token=at-1 refresh_token=rt-1 "
                + "copy of refresh_token at /1/refreshToken at /0",
            "static:azure-sp account=sp secret=the secret at /2/accessToken",
        ]
    ),
    CloudCase(
        "azure-legacy",
        ".azure/service_principal_entries.json",
        #"""
        [{"client_id":"sp-1","tenant":"t","client_secret":"cs-1"},{"client_id":"sp-2","tenant":"t","certificate":"/c.pem"},
        {"client_id":"sp-3","tenant":"u","client_secret":"cs-3"}]
        """#,
        [
            "static:azure-sp-1 account=sp-1 secret=cs-1 at /0/client_secret",
            "static:azure-sp-3 account=sp-3 secret=cs-3 at /2/client_secret",
        ],
        notes: ["certificate"]
    ),
    CloudCase(
        "azure-legacy",
        "accessTokens.json",
        #"[{"accessToken":"at","userId":"u@example.com","_clientId":"az","_authority":"https://evil.example/t"}]"#,
        ["oauth:azure-u@example.com account=u@example.com client=az access_token=at at /0"]
    ),
]

private let clusterVariants: [CloudCase] = [
    CloudCase(
        "databricks-cli",
        ".databricks/token-cache.json",
        #"""
        {
          "version": 1,
          "tokens": {
            "work": {"access_token": "at-w", "token_type": "Bearer", "refresh_token": "rt-w", "expiry": "2030-01-01T00:00:00Z"},
            "https://w.cloud.databricks.com": {"access_token": "at-w", "token_type": "Bearer", "refresh_token": "rt-w",
              "expiry": "2030-01-01T00:00:00Z"},
            "https://accounts.cloud.databricks.com/oidc/accounts/0-1": {"access_token": "at-a", "refresh_token": "rt-a",
              "expiry": "0001-01-01T00:00:00Z"},
            "home": {"access_token": "at-h", "refresh_token": "rt-h", "expiry": "2030-01-01T09:00:00.5+09:00"}
          },
          "x-unknown": 1.50
        }
        """#,
        [
            "oauth:databricks-w.cloud.databricks.com expires=2030-01-01T00:00:00Z client=databricks-cli held "
                + "access_token=at-w refresh_token=rt-w copy of access_token at /tokens/work/access_token "
                + "copy of refresh_token at /tokens/work/refresh_token at /tokens/https:~1~1w.cloud.databricks.com",
            "oauth:databricks-accounts.cloud.databricks.com expires=never client=databricks-cli held "
                + "access_token=at-a refresh_token=rt-a "
                + "at /tokens/https:~1~1accounts.cloud.databricks.com~1oidc~1accounts~10-1",
            "oauth:databricks-home expires=2030-01-01T00:00:00.5Z client=databricks-cli held access_token=at-h "
                + "refresh_token=rt-h at /tokens/home",
        ],
        notes: ["does not say its host"]
    ),
    CloudCase(
        "databricks-cli",
        "c.json",
        #"{"version":1,"tokens":{"https://x.example":{"access_token":"at"}}}"#,
        ["oauth:databricks-x.example client=databricks-cli access_token=at at /tokens/https:~1~1x.example"]
    ),
    CloudCase(
        "databricks-cli",
        "c.json",
        #"{"version":1,"tokens":{"http://x.example":{"access_token":"at","refresh_token":"rt","expiry":null}}}"#,
        [
            "oauth:databricks-http___x.example client=databricks-cli held access_token=at refresh_token=rt "
                + "at /tokens/http:~1~1x.example"
        ],
        notes: ["--token-url https://HOST/oidc/v1/token"]
    ),
    CloudCase(
        "aws-sso",
        ".aws/sso/cache/0ad374308c5a4e22f723adf10145eafad7c4031c.json",
        #"{"accessToken":"at","expiresAt":"2030-01-01T00:00:00UTC"}"#,
        ["oauth:aws-sso-0ad37430 expires=2030-01-01T00:00:00Z access_token=at at "]
    ),
    CloudCase(
        "aws-sso",
        "x.json",
        #"{"startUrl":"https://d-1.awsapps.com/start/","region":"eu-west-1","accessToken":"at","expiresAt":"2030-01-01T00:00:00Z"}"#,
        ["oauth:aws-sso-d-1.awsapps.com expires=2030-01-01T00:00:00Z access_token=at at "]
    ),
    CloudCase(
        "aws-sso",
        "y.json",
        #"{"region":"r","accessToken":"at","expiresAt":"2030-01-01T00:00:00Z","refreshToken":"rt","clientId":"c","clientSecret":"s","registrationExpiresAt":"2020-01-01T00:00:00UTC"}"#,
        [
            "oauth:aws-sso-y expires=2030-01-01T00:00:00Z client=c held access_token=at refresh_token=rt "
                + "client_secret=s at "
        ],
        notes: ["ran out"]
    ),
    CloudCase(
        "generic",
        ".aws/sso/cache/kiro-auth-token.json",
        #"{"accessToken":"at","refreshToken":"rt","expiresAt":"2030-01-01T00:00:00.000Z","clientIdHash":"h","authMethod":"IdC","region":"us-east-1"}"#,
        ["oauth:kiro-auth-token expires=2030-01-01T00:00:00Z held access_token=at refresh_token=rt at "],
        notes: ["--client-id"]
    ),
    CloudCase(
        "kubelogin",
        String(repeating: "a", count: 64),
        #"{"id_token":"eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6WyJhIiwiYiJdLCJzdWIiOiJzIn0.c2ln"}"#,
        ["oauth:kubelogin-i.example account=s id_token=eyJ at "]
    ),
    CloudCase(
        "kubelogin",
        String(repeating: "b", count: 64),
        #"{"refresh_token":"rt"}"#,
        ["oauth:kubelogin-bbbbbbbb held refresh_token=rt at "],
        notes: ["--client-id", "--token-url"]
    ),
    // An issuer is no token endpoint: nothing looks for one when it is time to refresh.
    CloudCase(
        "kubelogin",
        String(repeating: "c", count: 64),
        #"{"id_token":"eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsImF1ZCI6WyJhIiwiYiJdLCJzdWIiOiJzIn0.c2ln","refresh_token":"rt"}"#,
        ["oauth:kubelogin-i.example account=s held refresh_token=rt id_token=eyJ at "],
        notes: ["--token-url"]
    ),
    CloudCase(
        "kubelogin",
        "kube/cache/oidc-login/" + String(repeating: "0", count: 64),
        #"{"id_token":"opaque","refresh_token":"rt"}"#,
        ["oauth:kubelogin-00000000 held refresh_token=rt id_token=opaque at "]
    ),
]

private let familyVariants: [CloudCase] = [
    CloudCase(
        "go",
        "token.json",
        #"{"AccessToken":"at","RefreshToken":"rt","Expiry":"2030-01-01T09:00:00+09:00","Extra":null}"#,
        ["oauth:token expires=2030-01-01T00:00:00Z held access_token=at refresh_token=rt at "]
    ),
    CloudCase(
        "go",
        "token.json",
        #"{"AccessToken":"at","RefreshToken":"","Expiry":"0001-01-01T00:00:00Z"}"#,
        ["oauth:token expires=never access_token=at at "]
    ),
    CloudCase(
        "go",
        "token.json",
        #"{"access_token":"at","expiry":"2030-01-01T00:00:00.1Z","expires_in":3599}"#,
        ["oauth:token expires=2030-01-01T00:00:00.1Z access_token=at at "]
    ),
    CloudCase(
        "oauthlib",
        "token.json",
        #"{"access_token":"at","token_type":"bearer","expires_in":7200,"expires_at":1893456000.123456,"scope":["a","b"],"refresh_token":"rt"}"#,
        ["oauth:token expires=2030-01-01T00:00:00.123456Z held access_token=at refresh_token=rt at "],
        notes: ["--client-id"]
    ),
    CloudCase(
        "oauthlib",
        "t.json",
        #"{"access_token":"at","token_type":"Bearer","scope":["a"]}"#,
        ["oauth:t access_token=at at "]
    ),
    CloudCase(
        "oauthlib",
        "t.json",
        #"{"access_token":"at","token_type":"Bearer","expires_in":3600,"expires_at":1893456000.5,"scope":null}"#,
        ["oauth:t expires=2030-01-01T00:00:00.5Z access_token=at at "]
    ),
    CloudCase(
        "spotipy",
        ".cache-someone",
        #"{"access_token":"at","token_type":"Bearer","expires_in":3600,"scope":"a b","expires_at":1893456000,"refresh_token":"rt"}"#,
        [
            "oauth:spotify-someone account=someone expires=2030-01-01T00:00:00Z "
                + "to=https://accounts.spotify.com/api/token held access_token=at refresh_token=rt at "
        ],
        notes: ["--client-id"]
    ),
    CloudCase(
        "spotipy",
        ".cache",
        #"{"access_token":"at","expires_at":1893456000,"refresh_token":"rt","scope":null}"#,
        [
            "oauth:spotify expires=2030-01-01T00:00:00Z to=https://accounts.spotify.com/api/token held access_token=at "
                + "refresh_token=rt at "
        ]
    ),
    CloudCase(
        "spotipy",
        ".cache",
        #"{"access_token":"at","expires_at":0}"#,
        ["oauth:spotify to=https://accounts.spotify.com/api/token access_token=at at "]
    ),
    CloudCase(
        "generic",
        "answer.json",
        #"{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt","client_id":"c"}"#,
        ["oauth:answer client=c held access_token=at refresh_token=rt at "],
        notes: ["--token-url", "since when"]
    ),
]

private let keyVariants: [CloudCase] = [
    CloudCase(
        "slack",
        ".slack/credentials.json",
        #"""
        {
          "T00000001": {"token": "xoxe.xoxp-1", "team_domain": "one", "team_id": "T00000001", "user_id": "U1",
            "last_updated": "2029-12-31T23:00:00.123456789+09:00", "refresh_token": "xoxe-1", "exp": 1893456000},
          "E00000002": {"token": "xoxe.xoxp-2", "team_domain": "two", "team_id": "E00000002", "enterprise_id": "E00000002",
            "user_id": "U2", "last_updated": "0001-01-01T00:00:00Z", "is_enterprise_install": true},
          "T00000003": {"token": "t-3", "team_domain": "", "team_id": "T00000003", "user_id": "U3", "exp": 1893456000}
        }
        """#,
        [
            "oauth:slack-one account=T00000001 expires=2030-01-01T00:00:00Z held access_token=xoxe.xoxp-1 "
                + "refresh_token=xoxe-1 at /T00000001",
            "static:slack-two account=E00000002 secret=xoxe.xoxp-2 at /E00000002/token",
            "oauth:slack-T00000003 account=T00000003 expires=2030-01-01T00:00:00Z access_token=t-3 at /T00000003",
        ],
        notes: ["tooling.tokens.rotate"]
    ),
    CloudCase(
        "slack",
        "credentials.json",
        #"{"example-team":{"token":"xoxp-1","team_domain":"example-team","team_id":"T1","user_id":"U1"}}"#,
        ["static:slack-example-team account=T1 secret=xoxp-1 at /example-team/token"]
    ),
    CloudCase(
        "slack",
        "credentials.json",
        #"{"T1":{"token":"","team_id":"T1","user_id":"U1"},"T2":{"token":"t","team_id":"T2","user_id":"U","exp":0,"refresh_token":"r"}}"#,
        ["oauth:slack-T2 account=T2 held access_token=t refresh_token=r at /T2"]
    ),
    CloudCase(
        "terraform",
        "credentials.tfrc.json",
        #"""
        {
          "credentials": {
            "app.terraform.io": {"token": "a.atlasv1.b"},
            "tf.example:8443": {"token": "other"}
          },
          "x-unknown": 1.50
        }
        """#,
        [
            "static:terraform-app.terraform.io secret=a.atlasv1.b at /credentials/app.terraform.io/token",
            "static:terraform-tf.example_8443 secret=other at /credentials/tf.example:8443/token",
        ]
    ),
    CloudCase(
        "terraform",
        "terraform.d/backup.json",
        #"{"credentials":{"a.example":{"token":""},"b.example":{"token":"t"}}}"#,
        ["static:terraform-b.example secret=t at /credentials/b.example/token"]
    ),
    CloudCase(
        "netlify",
        ".netlify/config.json",
        #"{"userId":null,"x-unknown": 1.50,"users":{"u":{"id":"u","auth":{"token":"nfp_1"}},"v":{"email":"v@example.com","auth":{"token":"nfp_2","github":{}}}}}"#,
        [
            "static:netlify-u account=u secret=nfp_1 at /users/u/auth/token",
            "static:netlify-v@example.com account=v@example.com secret=nfp_2 at /users/v/auth/token",
        ],
        notes: ["may still be valid"]
    ),
    CloudCase(
        "netlify",
        "config.json",
        #"{"userId":"u","users":{"u":{"auth":{"github":{"token":"gho_1","user":"me","provider":"github"}}},"v":{"auth":null}}}"#,
        ["static:netlify-github-me account=me secret=gho_1 at /users/u/auth/github/token"]
    ),
    CloudCase(
        "netlify",
        "config.json",
        #"{"users":{"u":{"name":"A B","auth":{"token":"nfp_1","github":null}}}}"#,
        ["static:netlify-A_B account=A B secret=nfp_1 at /users/u/auth/token"]
    ),
    CloudCase(
        "dbxcli",
        ".config/dbxcli/auth.json",
        #"{"": {"personal": "p"}, "example.com": {"teamManage": "m", "teamAccess": "p"}}"#,
        [
            "static:dropbox-personal secret=p copy of secret at /example.com/teamAccess at //personal",
            "static:dropbox-example.com-teamManage secret=m at /example.com/teamManage",
        ]
    ),
    CloudCase(
        "dbxcli",
        "auth.json",
        #"{"":{"personal":"p","teamAccess":""},"x":{"teamManage":null}}"#,
        ["static:dropbox-personal secret=p at //personal"]
    ),
    CloudCase(
        "vercel",
        ".local/share/com.vercel.cli/auth.json",
        #"{"token":"vc-1"}"#,
        ["static:vercel secret=vc-1 at /token"]
    ),
    CloudCase(
        "vercel",
        "auth.json",
        #"""
        {
          "// Note": "This is your Vercel credentials file. DO NOT SHARE!",
          "// Docs": "https://vercel.com/docs/projects/project-configuration/global-configuration#auth.json",
          "token": "vca_1",
          "userId": "u",
          "expiresAt": 1893456000,
          "refreshToken": "vcr_1"
        }
        """#,
        [
            "oauth:vercel expires=2030-01-01T00:00:00Z client=cl_HYyOPBNtFMfHhaUn9L4QPfTZz6TP47bp "
                + "to=https://api.vercel.com/login/oauth/token held access_token=vca_1 refresh_token=vcr_1 at "
        ]
    ),
    CloudCase(
        "vercel",
        "com.vercel.cli/auth.json",
        #"{"token":"vca_1","expiresAt":1893456000}"#,
        [
            "oauth:vercel expires=2030-01-01T00:00:00Z client=cl_HYyOPBNtFMfHhaUn9L4QPfTZz6TP47bp "
                + "to=https://api.vercel.com/login/oauth/token access_token=vca_1 at "
        ]
    ),
]

/// Another type where a token, a time or a map should stand: format, path, text.
let cloudDamage: [(String, String, String)] = [
    ("google-adc", "x.json", #"{"type":"authorized_user","refresh_token":["EXAMPLE"]}"#),
    ("google-adc", "x.json", #"{"type":"authorized_user","refresh_token":"r","client_id":7}"#),
    ("google-auth", "x.json", #"{"token":{},"token_uri":"x","client_id":"c"}"#),
    ("google-auth", "x.json", #"{"token":"t","token_uri":"x","client_id":"c","expiry":"EXAMPLE"}"#),
    ("gam", "x.json", #"{"token":"t","token_uri":"x","client_id":"c","token_expiry":1}"#),
    ("oauth2client", "x.json", #"{"_module":"oauth2client.client","access_token":true}"#),
    ("oauth2client", "x.json", #"{"data":[{"credential":{"_module":"oauth2client.client","refresh_token":1}}]}"#),
    ("mutt", "x.json", #"{"registration":"google","access_token":"t","access_token_expiration":1893456000}"#),
    ("mutt", "x.json", #"{"registration":"google","access_token":"t","access_token_expiration":"soon"}"#),
    ("msal", "x.json", #"{"RefreshToken":{"k":{"credential_type":"RefreshToken","secret":7}}}"#),
    ("msal", "x.json", #"{"AccessToken":[],"RefreshToken":{},"Account":{}}"#),
    ("msal", "x.json", #"{"AccessToken":{"k":{"credential_type":"A","secret":"t","expires_on":"EXAMPLE"}}}"#),
    ("azure-legacy", "x.json", #"[{"accessToken":[],"_authority":"x"}]"#),
    ("azure-legacy", "x.json", #"[{"client_id":"c","tenant":"t","client_secret":{}}]"#),
    ("databricks-cli", "x.json", #"{"version":1,"tokens":{"h":{"access_token":1,"expiry":null}}}"#),
    ("databricks-cli", "x.json", #"{"version":1,"tokens":{"h":{"access_token":"a","expiry":1893456000}}}"#),
    ("databricks-cli", "x.json", #"{"version":1,"tokens":{"h":{"access_token":"a","expiry":"2030-01-01T00:00:00"}}}"#),
    ("aws-sso", "x.json", #"{"accessToken":"a","expiresAt":"2030-01-01","region":"r"}"#),
    ("aws-sso", "x.json", #"{"accessToken":"a\n","expiresAt":"2030-01-01T00:00:00Z","region":"r"}"#),
    ("kubelogin", String(repeating: "c", count: 64), #"{"id_token":["EXAMPLE"],"refresh_token":"r"}"#),
    ("slack", "x.json", #"{"T":{"team_id":"T","token":{},"user_id":"U"}}"#),
    ("slack", "x.json", #"{"T":{"team_id":"T","token":"t","user_id":"U","exp":"1893456000"}}"#),
    ("go", "x.json", #"{"access_token":"a","refresh_token":"r","expiry":"yesterday"}"#),
    ("go", "x.json", #"{"AccessToken":"a","RefreshToken":1,"Expiry":"2030-01-01T00:00:00Z"}"#),
    ("oauthlib", "x.json", #"{"access_token":"a","token_type":"b","scope":[1]}"#),
    ("oauthlib", "x.json", #"{"access_token":"a","token_type":"b","scope":["s"],"expires_at":true}"#),
    ("spotipy", ".cache-x", #"{"access_token":"a","expires_at":1e400}"#),
    ("vercel", "com.vercel.cli/auth.json", #"{"token":"a","expiresAt":"2030"}"#),
    ("netlify", "x.json", #"{"users":{"u":{"auth":{"token":7}}}}"#),
    ("netlify", "x.json", #"{"users":{"u":{"auth":{"token":"t"}},"v":7}}"#),
    ("terraform", "credentials.tfrc.json", #"{"credentials":{"h":{"token":["EXAMPLE"]}}}"#),
    ("dbxcli", "x.json", #"{"":{"personal":{"x":"EXAMPLE"}}}"#),
]

private let sealed = String(repeating: "0a", count: 20) + ":" + String(repeating: "f", count: 32)

/// What is known and not taken in: path, text, code, and a word of the reason.
let cloudDeclined: [(String, String, VaultError.Code, String)] = [
    ("x.json", #"{"type":"service_account","private_key":"EXAMPLE"}"#, .failed, "private key"),
    ("x.json", #"{"type":"external_account","audience":"a"}"#, .failed, "exchanged"),
    (
        "x.json", #"{"type":"external_account_authorized_user","refresh_token":"EXAMPLE"}"#, .failed, "workforce pool"
    ),
    (
        "x.json", #"{"type":"impersonated_service_account","source_credentials":{"type":"service_account"}}"#, .failed,
        "private key"
    ),
    ("x.json", #"{"type":"impersonated_service_account"}"#, .failed, "without source_credentials"),
    ("credentials.json", #"{"web":{"client_id":"c","client_secret":"EXAMPLE"}}"#, .failed, "no token"),
    (
        "x.json", #"{"_module":"oauth2client.service_account","_private_key_pkcs8_pem":"EXAMPLE"}"#, .failed,
        "private key"
    ),
    (
        ".aws/sso/cache/a.json", #"{"clientId":"c","clientSecret":"EXAMPLE","expiresAt":"2030-01-01T00:00:00UTC"}"#,
        .failed, "registration"
    ),
    (
        ".aws/sso/cache/odd.json", #"{"accessToken":"EXAMPLE","expiresAt":"2030-01-01T00:00:00Z"}"#, .configuration,
        "SHA-1"
    ),
    ("x.json", #"{"version":2,"tokens":{"h":{"access_token":"EXAMPLE","expiry":null}}}"#, .failed, "version"),
    ("x.json", #"{"version":"1","tokens":{"h":{"access_token":"EXAMPLE"}}}"#, .failed, "version"),
    ("oidc-login/renamed", #"{"id_token":"EXAMPLE"}"#, .configuration, "SHA-256"),
    ("x.json", #"{"credentials":{"h":{"token":"EXAMPLE"}}}"#, .configuration, "Terraform"),
    ("auth.json", #"{"token":"EXAMPLE","refreshToken":"r","expiresAt":1893456000}"#, .configuration, "Vercel"),
    (".sfdx/user@example.com.json", "{\"orgId\":\"o\",\"accessToken\":\"\(sealed)\"}", .failed, "encrypted already"),
    ("r.json", #"{"client_id":"c","client_secret":"EXAMPLE","redirect_uris":[]}"#, .failed, "registration"),
    (".config/oidc-agent/short", "1\nAbCd\nEfGh\nGenerated using version: 5.1.0\n", .failed, "oidc-agent"),
    (".databricks/token-cache.json", #"{"version":1,"tokens":{}}"#, .damaged, "known"),
    ("credentials.tfrc.json", #"{"credentials":{}}"#, .damaged, "known"),
    (
        "msal_token_cache.json", #"{"AccessToken":{},"RefreshToken":{},"Account":{},"IdToken":{}}"#, .notFound,
        "no token"
    ),
]
