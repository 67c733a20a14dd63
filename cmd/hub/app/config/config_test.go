package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
)

func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"password": "secret\n", "empty": "", "ca.pem": "-----BEGIN CERTIFICATE-----\n", "two": "a\nb\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestGood(t *testing.T) {
	dir := folder(t)
	c, err := Parse(filepath.Join(dir, "hub.yaml"), []byte(`
data: data
xmpp:
  jid: gateway-7@example.org
  password_file: password
  server: 192.0.2.10:5222
  ca_file: ca.pem
  tls: direct
  pins: [sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]
  channel_binding: require
  insecure: true
  keep_alive: 90s
local: {listen: "127.0.0.1:0"}
access:
  - who: [ops@example.org, "@example.net"]
    may: [all]
  - {who: [a@b], may: [see, read], way: local}
limits: {requests: 50, answer_bytes: 20000, answers_waiting: 30000, sniffers: 3, queries: 4, readouts: 5, source_subscriptions: 6}
secrets: {key_file: hub.key}
clock: {source: clock.example.org, every: 1m}
log: {level: debug, format: json}
`))
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != filepath.Join(dir, "data") || c.XMPP.Password != "secret" || c.XMPP.Server != "192.0.2.10:5222" ||
		c.XMPP.TLS != "direct" || len(c.XMPP.Pins) != 1 || !c.XMPP.Insecure || !c.XMPP.Bound || c.XMPP.KeepAlive != 90*time.Second ||
		c.Limits != (Limits{50, 256, 20000, 30000, xmppface.Shares{Subscriptions: 1024, SourceSubscriptions: 6, Sniffers: 3, Queries: 4, Readouts: 5}}) || len(c.Access) != 2 || c.Access[0].May != nodes.AllRights || c.Access[1].May != nodes.See|nodes.Read || c.Access[1].Way != nodes.WayLocal || !c.Log.JSON || *c.Clock != (Clock{"clock.example.org", time.Minute, DefaultClockLimit}) || c.KeyFile != filepath.Join(dir, "hub.key") {
		t.Errorf("got %+v", c)
	}
	c, err = Parse(filepath.Join(dir, "hub.yaml"), []byte("data: /d\nxmpp: {jid: gw.example.org, component: true, password_file: password, server: \"[::1]:5347\"}"))
	if err != nil || !c.XMPP.Component || c.XMPP.JID != "gw.example.org" {
		t.Errorf("a component: %+v, %v", c, err)
	}
	if c, err := Parse("hub.yaml", []byte("data: /d")); err != nil || c.XMPP != nil || c.Local.Listen != DefaultListen || c.Limits != DefaultLimits {
		t.Errorf("the smallest: %+v, %v", c, err)
	}
}

// TestCreate: an account that is to be created has its password where it is kept, once
// there is one.
func TestCreate(t *testing.T) {
	dir := folder(t)
	own := filepath.Join(dir, "password-gw@example.org")
	parse := func(more string) *XMPP {
		c, err := Parse(filepath.Join(dir, "hub.yaml"), []byte("data: "+dir+"\nxmpp: {jid: GW@Example.org, create: true"+more+"}"))
		if err != nil {
			t.Fatal(err)
		}
		return c.XMPP
	}
	if x := parse(""); !x.Create || x.Password != "" || x.PasswordFile != own {
		t.Errorf("no password yet: got %+v", x)
	}
	if x := parse(", password_file: new"); x.Password != "" || x.PasswordFile != filepath.Join(dir, "new") {
		t.Errorf("no password yet in a file of its own: got %+v", x)
	}
	if x := parse(", password_file: password"); x.Password != "secret" {
		t.Errorf("a password that was given: got %+v", x)
	}
	if err := os.WriteFile(own, []byte("kept\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if x := parse(""); x.Password != "kept" {
		t.Errorf("a password that was kept: got %+v", x)
	}
	c, err := Parse(filepath.Join(dir, "hub.yaml"), []byte("data: /d\nxmpp: {jid: a@b, create: false, password_file: password}"))
	if err != nil || c.XMPP.Create || c.XMPP.Password != "secret" {
		t.Errorf("create: false: got %+v, %v", c, err)
	}
}

// TestBad is a table of mistakes: what is wrong, at which line, and a part of what
// is said.
func TestBad(t *testing.T) {
	dir := folder(t)
	for _, tt := range []struct{ name, doc, want string }{
		{"empty", "", ":1:1: data is missing"},
		{"not YAML", "data: /d\nlocal: {", ":2:8: this is not YAML"},
		{"a list", "- a", ":1:1: the configuration must be a mapping"},
		{"unknown key", "data: /d\nlocla: {}", `:2:1: unknown key "locla" in the configuration; there are: data, xmpp, local, groups, access, limits, secrets, clock, log`},
		{"key twice", "data: /d\ndata: /e", `:2:1: key "data" stands in line 1 already`},
		{"no jid", "data: /d\nxmpp: {password_file: password}", ":2:"},
		{"jid with resource", "data: /d\nxmpp:\n  jid: a@b/c\n  password_file: password", `:3:8: "a@b/c" is no account`},
		{"no password file", "data: /d\nxmpp:\n  jid: a@b\n  password_file: nowhere", ":4:18: password_file cannot be read"},
		{"empty password", "data: /d\nxmpp:\n  jid: a@b\n  password_file: empty", "in one line"},
		{"two passwords", "data: /d\nxmpp:\n  jid: a@b\n  password_file: two", "in one line"},
		{"no certificate", "data: /d\nxmpp:\n  jid: a@b\n  password_file: password\n  ca_file: password", "holds no certificate"},
		{"server without port", "data: /d\nxmpp:\n  jid: a@b\n  password_file: password\n  server: example.org", `:5:11: "example.org" is no address`},
		{"tls", "data: /d\nxmpp:\n  jid: a@b\n  password_file: password\n  tls: ssl", `:5:8: unknown tls "ssl"; there are: starttls, direct`},
		{"pin", "data: /d\nxmpp:\n  jid: a@b\n  password_file: password\n  pins: [abc]", `:5:10: "abc" is not the SHA-256 of a key`},
		{"insecure", "data: /d\nxmpp:\n  jid: a@b\n  password_file: password\n  insecure: 1", `:5:13: insecure is true or false, not "1"`},
		{"keep_alive", "data: /d\nxmpp:\n  jid: a@b\n  password_file: password\n  keep_alive: 5s", `:5:15: "5s" is no time of silence`},
		{"component with account", "data: /d\nxmpp:\n  jid: a@b\n  password_file: password\n  component: true\n  server: 127.0.0.1:5347", `:3:8: "a@b" is no component`},
		{"create a component", "data: /d\nxmpp:\n  jid: b.c\n  component: true\n  server: 127.0.0.1:5347\n  create: true", ":6:11: a component cannot be created"},
		{"create what", "data: /d\nxmpp: {jid: a@b, create: yes}", `create is true or false, not "yes"`},
		{"create, and no name of a file", "data: /d\nxmpp: {jid: a@b, create: true, password_file: \"\"}", "leave password_file out"},
		{"create, and a file with two lines", "data: /d\nxmpp: {jid: a@b, create: true, password_file: two}", "in one line"},
		{"no password", "data: /d\nxmpp: {jid: a@b}", "create: true"},
		{"component without server", "data: /d\nxmpp:\n  jid: b.c\n  password_file: password\n  component: true", "server is missing"},
		{"listen", "data: /d\nlocal:\n  listen: here", ":3:11: \"here\" is no address"},
		{"access as mapping", "data: /d\naccess: {who: a}", "access must be a list"},
		{"nobody", "data: /d\naccess:\n  - who: [ops]\n    may: [all]", `:3:11: "ops" is nobody`},
		{"unknown right", "data: /d\naccess:\n  - who: [a@b]\n    may: [see, write]", `:4:16: unknown right "write"; there are: all, see, read`},
		{"right without sight", "data: /d\naccess:\n  - who: [a@b]\n    may: [read]", "add see"},
		{"no rights", "data: /d\naccess:\n  - who: [a@b]", "a rule without may"},
		{"nobody at all", "data: /d\naccess:\n  - {who: [], may: [all]}", ":3:5: a rule without who"},
		{"empty rights", "data: /d\naccess:\n  - {who: [a@b], may: []}", "a rule without may"},
		{"unknown way", "data: /d\naccess:\n  - {who: [a@b], may: [all], way: tcp}", "unknown way"},
		{"channel binding", "data: /d\nxmpp: {jid: a@b, password_file: password, channel_binding: maybe}", `unknown "maybe"; write channel_binding as require`},
		{"channel binding of a component", "data: /d\nxmpp: {jid: a.b, component: true, server: \"127.0.0.1:5347\", password_file: password, channel_binding: require}", "leave channel_binding out"},
		{"requests", "data: /d\nxmpp: {jid: a@b, password_file: password, requests: accept}", `unknown "accept"; write requests as hold`},
		{"no limit", "data: /d\nlimits: {requests: 0}", `"0" is no such limit; write requests as a number from 1 to 1000000`},
		{"a share of more than there is", "data: /d\nlimits: {sniffers: 65}", "write sniffers as a number from 1 to 64"},
		{"limit", "data: /d\nlimits: {waiting: many}", "write waiting as a number from 1 to 2000"},
		{"unknown limit", "data: /d\nlimits: {sniffer: 3}", "there are: requests, waiting, answer_bytes, answers_waiting, subscriptions, source_subscriptions, sniffers, queries, readouts"},
		{"clock without broker", "data: /d\nclock: {source: a.b}", "the time is asked for through the broker"},
		{"clock without source", "data: /d\nclock: {every: 1m}", "source is missing"},
		{"clock source", "data: /d\nclock: {source: \"a b\"}", `"a b" is no address`},
		{"clock every", "data: /d\nclock: {source: a@b/c, every: 1s}", "every as 10s to 24h0m0s"},
		{"clock limit", "data: /d\nclock: {source: a.b, limit: much}", "limit as 1ms to 1h0m0s"},
		{"level", "data: /d\nlog: {level: loud}", "debug, info, warn, error"},
		{"format", "data: /d\nlog: {format: xml}", "text, json"},
		{"two documents", "data: /d\n---\ndata: /e", "second document"},
		{"anchor", "data: &a /d", "data must be a single value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(filepath.Join(dir, "hub.yaml"), []byte(tt.doc))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "hub.yaml:") {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
	_, err := Parse("hub.yaml", []byte("data: /d\nlog: {level: x, format: y}\nfoo: 1"))
	if n := strings.Count(err.Error(), "hub.yaml:"); n != 3 {
		t.Errorf("%d problems told at once, want 3:\n%v", n, err)
	}
}

// TestShipped: what is installed works as it is; of the example only the files are
// missing that it names.
func TestShipped(t *testing.T) {
	if c, err := Load("../../../../packaging/hub.yaml"); err != nil || c.Data != "/var/lib/hub" {
		t.Errorf("%+v, %v", c, err)
	}
	b, err := os.ReadFile("../../../../examples/hub.yaml")
	if err != nil {
		t.Fatal(err)
	}
	password := filepath.Join(folder(t), "password")
	c, err := Parse("hub.yaml", []byte(strings.Replace(string(b), "/etc/hub/password", password, 1)))
	if err != nil || len(c.Access) != 3 || c.XMPP.JID != "gateway-7@example.org" {
		t.Errorf("%+v, %v", c, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("data: /d\nxmpp: {jid: a@b}\naccess: [{who: [a@b], may: [all]}]")
	f.Add("a: &x [*x]")
	f.Add("? [a]\n: b")
	f.Fuzz(func(t *testing.T, doc string) {
		c, err := Parse("hub.yaml", []byte(doc))
		if (c == nil) == (err == nil) {
			t.Errorf("got %v and %v", c, err)
		}
	})
}

func TestPathsAreWhole(t *testing.T) {
	t.Chdir(folder(t))
	c, err := Parse("hub.yaml", []byte("data: data"))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if want := filepath.Join(here, "data"); err != nil || c.Data != want {
		t.Errorf("got %s, want %s; %v", c.Data, want, err)
	}
}
