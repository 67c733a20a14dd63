// Package config reads hub.yaml: what an installer decides. It checks everything
// that can be checked without a connection, and says where and what to write
// instead. It starts nothing.
package config

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/xmppface"
)

// Config is a checked configuration.
type Config struct {
	File   string
	Data   string // data folder
	XMPP   *XMPP  // nil: no broker
	Clock  *Clock // nil: the clock is compared with none
	Local  Local
	Access []datasources.Rule
	Limits Limits
	// KeyFile is the file of the key that secrets are stored with; empty: "key" in Data.
	KeyFile string
	Log     Log
}

// XMPP is the account on a broker.
type XMPP struct {
	JID      string
	Password string // read from password_file; empty when Create and the file is not there yet
	// PasswordFile is where the password is kept.
	PasswordFile string
	Create       bool   // the hub creates the account where the server does not know it
	Server       string // host:port; empty: by SRV
	TLS          xmppface.TLS
	CAFile       string   // empty: the system's authorities
	Pins         []string // keys of the server that are trusted in place of authorities
	Bound        bool     // only logins that are bound to the TLS connection
	Insecure     bool     // any certificate is accepted: for benches only
	// Component is for a component of the server: JID is its domain, Password its secret.
	Component bool
	// RefuseRequests refuses requests for the hub's presence, of those without access, at
	// once; else they wait for a decision.
	RefuseRequests bool
	KeepAlive      time.Duration // silence after which the server is asked for a sign of life; 0: the usual
}

// Local is the hub's own XMPP server.
type Local struct {
	Listen string // host:port
}

// Log is how the program logs.
type Log struct {
	Level slog.Level
	JSON  bool
}

// DefaultListen is where the local server listens when nothing is said.
const DefaultListen = "127.0.0.1:5223"

// Load reads and checks a file. Its errors are of type *strict.Problems, or of the
// file system.
func Load(file string) (*Config, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, b)
}

// Parse checks the content of a file; relative paths in it begin at its folder.
func Parse(file string, b []byte) (*Config, error) {
	doc, top, err := strict.Parse(file, b)
	if err != nil {
		return nil, err
	}
	c := &Config{File: file, Local: Local{Listen: DefaultListen}}
	f := top.Fields("the configuration", "data", "xmpp", "local", "groups", "access", "limits", "secrets", "clock", "log")
	if v, ok := f["data"]; ok {
		c.Data = c.path(v.Text("data"))
	}
	if c.Data == "" {
		top.Problem("data is missing; write the folder for the hub's data, e.g. data: /var/lib/hub")
	}
	if v, ok := f["xmpp"]; ok {
		c.XMPP = c.xmpp(v)
	}
	if v, ok := f["local"]; ok {
		l := v.Fields("local", "listen")
		if v, ok := l["listen"]; ok {
			c.Local.Listen = address(v, "listen", true)
		}
	}
	if v, ok := f["secrets"]; ok {
		if k, ok := v.Fields("secrets", "key_file")["key_file"]; ok {
			if c.KeyFile = c.path(k.Text("key_file")); c.KeyFile == "" {
				k.Problem("write the path of the key file, which \"hub key new FILE\" makes; or leave key_file out")
			}
		}
	}
	if v, ok := f["clock"]; ok {
		c.Clock = c.clock(v)
	}
	c.access(f["groups"], f["access"])
	c.limits(f["limits"])
	c.log(f["log"])
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	p = filepath.Join(filepath.Dir(c.File), p)
	if abs, err := filepath.Abs(p); err == nil {
		return abs // what is shown elsewhere means the same there
	}
	return p
}

func (c *Config) xmpp(v strict.Value) *XMPP {
	f := v.Fields("xmpp", "jid", "password_file", "server", "ca_file", "tls", "pins", "channel_binding", "insecure", "component", "keep_alive", "create", "requests")
	x := &XMPP{}
	if v, ok := f["component"]; ok {
		x.Component = flag(v, "component")
	}
	if jid, ok := f["jid"]; ok {
		x.JID = jid.Text("jid")
		if x.Component {
			if !isDomain("@" + x.JID) {
				jid.Problem("%q is no component; write its domain, e.g. gateway-7.example.org", x.JID)
			}
		} else if !isBare(x.JID) {
			jid.Problem("%q is no account; write it as name@domain, without a resource", x.JID)
		}
	} else {
		v.Problem("jid is missing; write the hub's account, e.g. jid: gateway-7@example.org")
	}
	c.password(x, v, f)
	if s, ok := f["server"]; ok {
		x.Server = address(s, "server", false)
	}
	if ca, ok := f["ca_file"]; ok {
		x.CAFile = c.path(ca.Text("ca_file"))
		if b, err := os.ReadFile(x.CAFile); err != nil {
			ca.Problem("ca_file cannot be read: %v", err)
		} else if !strings.Contains(string(b), "-----BEGIN CERTIFICATE-----") {
			ca.Problem("%s holds no certificate; it must be in PEM form, with a line -----BEGIN CERTIFICATE-----", x.CAFile)
		}
	}
	if t, ok := f["tls"]; ok {
		if x.TLS = xmppface.TLS(t.Text("tls")); x.TLS != xmppface.StartTLS && x.TLS != xmppface.DirectTLS {
			t.Problem("unknown tls %q; there are: starttls, direct", x.TLS)
		}
	}
	for _, p := range f["pins"].List("pins") {
		s := p.Text("pins")
		if _, err := xmppface.ParsePin(s); err != nil {
			p.Problem("%v", err)
		}
		x.Pins = append(x.Pins, s)
	}
	if b, ok := f["channel_binding"]; ok {
		if s := b.Text("channel_binding"); s != "require" && s != "prefer" {
			b.Problem("unknown %q; write channel_binding as require, or as prefer, which it is by itself", s)
		} else {
			x.Bound = s == "require"
		}
		if x.Bound && x.Component {
			b.Problem("a component logs in without it; leave channel_binding out")
		}
	}
	if i, ok := f["insecure"]; ok {
		x.Insecure = flag(i, "insecure")
	}
	if q, ok := f["requests"]; ok {
		if s := q.Text("requests"); s != "hold" && s != "refuse" {
			q.Problem("unknown %q; write requests as hold, so that they wait for a decision, or refuse", s)
		} else {
			x.RefuseRequests = s == "refuse"
		}
	}
	if k, ok := f["keep_alive"]; ok {
		s := k.Text("keep_alive")
		d, err := time.ParseDuration(s)
		if err != nil || d < 10*time.Second || d > time.Hour {
			k.Problem("%q is no time of silence; write keep_alive as 10s to 1h, e.g. 4m", s)
		}
		x.KeepAlive = d
	}
	if x.Component && x.Server == "" {
		v.Problem("server is missing; write where the server waits for components, e.g. server: 127.0.0.1:5347")
	}
	return x
}

func flag(v strict.Value, what string) bool {
	s := v.Text(what)
	if s != "true" && s != "false" {
		v.Problem("%s is true or false, not %q", what, s)
	}
	return s == "true"
}

// secret reads the file of one line that a value names.
func (c *Config) secret(v strict.Value) string { return c.line(v, c.path(v.Text("password_file"))) }

func (c *Config) line(v strict.Value, path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		v.Problem("password_file cannot be read: %v", err)
		return ""
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" || strings.ContainsAny(s, "\r\n") || len(s) > 1024 {
		v.Problem("%s must hold the password and nothing else, in one line", path)
	}
	return s
}

func address(v strict.Value, what string, listen bool) string {
	s := v.Text(what)
	if s == "" && v.Present() {
		v.Problem("write %s as host:port, e.g. 192.0.2.10:5222", what)
		return ""
	}
	host, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || host == "" && !listen {
		v.Problem("%q is no address; write %s as host:port, e.g. 192.0.2.10:5222", s, what)
	}
	return s
}

// isBare tells whether jid is name@domain.
func isBare(jid string) bool {
	name, domain, ok := strings.Cut(jid, "@")
	return ok && isPart(name, `"&'<>:`) && isPart(domain, "")
}

// isDomain tells whether s is @domain.
func isDomain(s string) bool {
	domain, ok := strings.CutPrefix(s, "@")
	return ok && isPart(domain, "")
}

// isPart tells whether s may be a part of an address, without the characters in not
// (RFC 7622, section 3).
func isPart(s, not string) bool {
	return s != "" && len(s) <= 1023 && !strings.ContainsAny(s, "@/"+not) && strings.IndexFunc(s, unicode.IsSpace) < 0
}

func (c *Config) log(v strict.Value) {
	f := v.Fields("log", "level", "format")
	if l, ok := f["level"]; ok {
		levels := map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
		level, known := levels[l.Text("level")]
		if !known {
			l.Problem("unknown level %q; there are: debug, info, warn, error", l.Text("level"))
		}
		c.Log.Level = level
	}
	if t, ok := f["format"]; ok {
		switch s := t.Text("format"); s {
		case "text", "json":
			c.Log.JSON = s == "json"
		default:
			t.Problem("unknown format %q; there are: text, json", s)
		}
	}
}

// Logger makes the program's logger.
func (l Log) Logger() *slog.Logger {
	o := &slog.HandlerOptions{Level: l.Level}
	if l.JSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}

// String describes the configuration in a line, without secrets.
func (c *Config) String() string {
	broker := "no broker"
	if c.XMPP != nil {
		broker = c.XMPP.JID
	}
	return fmt.Sprintf("data in %s, %s, local access on %s, %d access rules", c.Data, broker, c.Local.Listen, len(c.Access))
}
