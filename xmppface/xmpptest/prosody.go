package xmpptest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

// Server is a running XMPP server that test bodies are written against.
type Server interface {
	Addr() string   // host:port for clients, STARTTLS
	Domain() string // the domain of its accounts
	CAFile() string // the authority that its certificate is of
	// AddUser makes an account.
	AddUser(t testing.TB, name, password string)
}

// Options of [Prosody]. The zero value is a fast server that offers
// SCRAM-SHA-256 only.
type Options struct {
	SHA1       bool   // keep SHA-1 hashes, and so offer SCRAM-SHA-1 only
	TLSProfile string // Mozilla's "modern", "intermediate" (when empty) or "old"
	// Stock leaves Debian's settings on: module limits (10 kB/s for clients) and
	// Nagle's algorithm.
	Stock   bool
	Smacks  bool // stream management, module smacks, as Debian's settings have it
	Expired bool // the certificate expired yesterday
	// StanzaLimit is the largest stanza in bytes; Prosody's own default, 256 KiB,
	// when 0.
	StanzaLimit int
	Modules     []string // more of Prosody's modules, e.g. register_ibr
	Settings    string   // more settings for all hosts, in the language of its configuration
}

// ProsodyServer is a Prosody started by a test.
type ProsodyServer struct {
	process
	direct, component, ca, config, pin string
}

const domain = "localhost"

// The component that the servers wait for.
const (
	ComponentDomain = "iot.localhost"
	ComponentSecret = "s3cr3t"
)

var configuration = template.Must(template.New("").Parse(`
run_as_root = true
pidfile = "{{.Dir}}/prosody.pid"
data_path = "{{.Dir}}/data"
certificates = "{{.Dir}}"
interfaces = { "127.0.0.1" }
local_interfaces = { "127.0.0.1" }
c2s_ports = { {{.Port}} }
c2s_direct_tls_ports = { {{.Direct}} }
c2s_direct_tls_ssl = { key = "{{.Dir}}/server.key", certificate = "{{.Dir}}/server.crt" }
s2s_ports = {}
s2s_direct_tls_ports = {}
component_ports = { {{.Component}} }
component_interfaces = { "127.0.0.1" }
http_ports = {}
https_ports = {}
modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "presence", "message", "iq", "c2s", "offline" {{if .Smacks}}, "smacks"{{end}} {{if .Stock}}, "limits"{{end}}{{range .Modules}}, "{{.}}"{{end}} }
modules_disabled = { "s2s", "posix_log" {{if not .Stock}}, "limits"{{end}} }
{{if .Stock}}limits = { c2s = { rate = "10kb/s" } }
{{else}}network_settings = { nagle = false, min_wait = 0, read_retry_delay = 0 }
{{end}}c2s_require_encryption = true
allow_unencrypted_plain_auth = false
authentication = "internal_hashed"
{{if not .SHA1}}password_hash = "SHA-256"
{{end}}storage = "internal"
network_backend = "epoll"
tls_profile = "{{.TLSProfile}}"
{{if .StanzaLimit}}c2s_stanza_size_limit = {{.StanzaLimit}}
{{end}}{{.Settings}}
log = { info = "{{.Dir}}/prosody.log" }
VirtualHost "localhost"
  ssl = { key = "{{.Dir}}/server.key", certificate = "{{.Dir}}/server.crt" }
Component "` + ComponentDomain + `"
  component_secret = "` + ComponentSecret + `"
`))

// Prosody starts a Prosody for the domain "localhost" and stops it when the test
// ends. When it is not installed the test is skipped, or fails where
// HUB_TEST_SERVERS is "required".
func Prosody(t testing.TB, o Options) *ProsodyServer {
	t.Helper()
	for _, program := range []string{"prosody", "prosodyctl"} {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, program+" is not installed (Debian package prosody)")
		}
	}
	if o.TLSProfile == "" {
		o.TLSProfile = "intermediate"
	}
	p := &ProsodyServer{process: process{dir: t.TempDir()}}
	ca := NewCA(t)
	p.ca = ca.File(t)
	from, until := time.Now().Add(-48*time.Hour), time.Now().Add(48*time.Hour)
	if o.Expired {
		until = time.Now().Add(-24 * time.Hour)
	}
	cert, key := ca.Leaf(t, domain, from, until)
	p.pin = pin(t, cert)
	p.write(t, "server.crt", cert)
	p.write(t, "server.key", key)
	p.addr = FreeAddr(t)
	p.direct = FreeAddr(t)
	_, port, _ := net.SplitHostPort(p.addr)
	_, direct, _ := net.SplitHostPort(p.direct)
	p.component = FreeAddr(t)
	p.more = []string{p.direct, p.component}
	_, component, _ := net.SplitHostPort(p.component)
	var b strings.Builder
	err := configuration.Execute(&b, struct {
		Options
		Dir, Port, Direct, Component string
	}{o, p.dir, port, direct, component})
	if err != nil {
		t.Fatal(err)
	}
	p.config = p.write(t, "prosody.cfg.lua", []byte(b.String()))
	p.log = filepath.Join(p.dir, "prosody.log")
	p.command = func() *exec.Cmd { return exec.Command("prosody", "--config", p.config, "-F") }
	t.Cleanup(p.Kill)
	p.Start(t)
	return p
}

// Missing skips a test for want of a server, or fails it where HUB_TEST_SERVERS
// is "required".
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("HUB_TEST_SERVERS") == "required" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// FreeAddr returns an address of 127.0.0.1 on which nobody listens now. It is not of the
// ports that systems give to connections that go out, or one of those could have taken it
// when a server is started again.
func FreeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 16000+rand.IntN(16000))); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port of 127.0.0.1 is free")
	return ""
}

// Addr is where clients connect.
func (p *ProsodyServer) Addr() string { return p.addr }

// Direct is where clients connect that begin with TLS.
func (p *ProsodyServer) Direct() string { return p.direct }

// Component is where the component connects.
func (p *ProsodyServer) Component() string { return p.component }

// Pin is the pin of its key: "sha256/" and base64 of the SHA-256 of its
// SubjectPublicKeyInfo.
func (p *ProsodyServer) Pin() string { return p.pin }

// Domain is "localhost".
func (p *ProsodyServer) Domain() string { return domain }

// CAFile holds the authority of this server.
func (p *ProsodyServer) CAFile() string { return p.ca }

// AddUser makes an account.
func (p *ProsodyServer) AddUser(t testing.TB, name, password string) {
	t.Helper()
	out, err := exec.Command("prosodyctl", "--config", p.config, "register", name, domain, password).CombinedOutput()
	if err != nil {
		t.Fatalf("prosodyctl register: %v\n%s", err, out)
	}
}
