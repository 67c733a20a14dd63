package xmpptest

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

// EjabberdServer is an ejabberd started by a test. It has stream management.
type EjabberdServer struct {
	process
	direct, component, api, ca string
}

// Limited is the name of an account that ejabberd gives what Debian's configuration gives
// to all, 3 kB/s.
const Limited = "limited"

var ejabberdConfiguration = template.Must(template.New("").Parse(`
hosts: [localhost]
loglevel: info
certfiles: ["{{.Dir}}/server.pem"]
auth_password_format: scram
auth_scram_hash: sha256
acl: {limited: {user: ` + Limited + `@localhost}}
shaper: {normal: {rate: 3000, burst_size: 20000}}
shaper_rules: {c2s_shaper: [{normal: limited}, {none: all}]}
s2s_access: none
api_permissions:
  test: {from: [mod_http_api], who: [{ip: 127.0.0.1/8}], what: [register]}
listen:
  - {port: {{.Port}}, ip: 127.0.0.1, module: ejabberd_c2s, starttls_required: true, shaper: c2s_shaper, max_stanza_size: 262144}
  - {port: {{.Direct}}, ip: 127.0.0.1, module: ejabberd_c2s, tls: true, shaper: c2s_shaper, max_stanza_size: 262144}
  - port: {{.Component}}
    ip: 127.0.0.1
    module: ejabberd_service
    hosts: {"` + ComponentDomain + `": {password: "` + ComponentSecret + `"}}
  - {port: {{.API}}, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {/api: mod_http_api}}
modules:
  mod_disco: {}
  mod_offline: {}
  mod_ping: {}
  mod_roster: {}
  mod_stream_mgmt: {}
{{range .Modules}}  {{.}}
{{end}}`))

// Ejabberd starts an ejabberd for the domain "localhost" and stops it when the test
// ends. When it is not installed the test is skipped, or fails where HUB_TEST_SERVERS
// is "required". More modules are lines of its configuration, such as "mod_register: {}".
func Ejabberd(t testing.TB, modules ...string) *EjabberdServer {
	t.Helper()
	code, _ := filepath.Glob("/usr/lib/*/ejabberd-*/ebin/ejabberd.app")
	erl, err := exec.LookPath("erl")
	if err != nil || len(code) == 0 {
		Missing(t, "ejabberd is not installed (Debian package ejabberd)")
	}
	libraries := filepath.Dir(filepath.Dir(filepath.Dir(code[0])))
	e := &EjabberdServer{process: process{dir: t.TempDir()}}
	ca := NewCA(t)
	e.ca = ca.File(t)
	cert, key := ca.Leaf(t, domain, time.Now().Add(-48*time.Hour), time.Now().Add(48*time.Hour))
	e.process.write(t, "server.pem", append(cert, key...))
	port := func(addr *string) string {
		*addr = FreeAddr(t)
		_, port, _ := net.SplitHostPort(*addr)
		return port
	}
	var b strings.Builder
	err = ejabberdConfiguration.Execute(&b, map[string]any{"Modules": modules, "Dir": e.dir, "Port": port(&e.addr),
		"Direct": port(&e.direct), "Component": port(&e.component), "API": port(&e.api)})
	if err != nil {
		t.Fatal(err)
	}
	e.more = []string{e.direct, e.component, e.api}
	config := e.process.write(t, "ejabberd.yml", []byte(b.String()))
	e.log = filepath.Join(e.dir, "ejabberd.log")
	e.command = func() *exec.Cmd {
		// Without a name of the node there is no port mapper to share with others.
		cmd := exec.Command(erl, "-noinput", "-mnesia", "dir", `"`+e.dir+`/spool"`, "-s", "ejabberd")
		cmd.Dir = e.dir
		cmd.Env = append(os.Environ(), "HOME="+e.dir, "ERL_LIBS="+libraries,
			"EJABBERD_CONFIG_PATH="+config, "EJABBERD_LOG_PATH="+e.log)
		return cmd
	}
	t.Cleanup(e.Kill)
	e.Start(t)
	return e
}

// Addr is where clients connect.
func (e *EjabberdServer) Addr() string { return e.addr }

// Direct is where clients connect that begin with TLS.
func (e *EjabberdServer) Direct() string { return e.direct }

// Component is where the component connects.
func (e *EjabberdServer) Component() string { return e.component }

// Domain is "localhost".
func (e *EjabberdServer) Domain() string { return domain }

// CAFile holds the authority of this server.
func (e *EjabberdServer) CAFile() string { return e.ca }

// AddUser makes an account, or leaves it when it is there.
func (e *EjabberdServer) AddUser(t testing.TB, name, password string) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"user": name, "host": domain, "password": password})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Post("http://"+e.api+"/api/register", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusConflict {
		t.Fatalf("register: %s; the log:\n%s", answer.Status, e.Log())
	}
}
