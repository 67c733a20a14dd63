package xmppface

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// What is chosen, and what is said of channel binding, by what the server offers.
func TestChoose(t *testing.T) {
	const all = "PLAIN SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS"
	newer, older := tls.ConnectionState{Version: tls.VersionTLS13}, tls.ConnectionState{Version: tls.VersionTLS12, TLSUnique: []byte("unique")}
	for _, tt := range []struct {
		name, offered string
		kinds         []string
		st            tls.ConnectionState
		off           bool
		want          string // and the flag
	}{
		{"all", all, nil, newer, false, "SCRAM-SHA-256-PLUS p"},
		{"all, TLS 1.2", all, nil, older, false, "SCRAM-SHA-256-PLUS p"},
		{"all, nothing to bind to", all, nil, tls.ConnectionState{Version: tls.VersionTLS12}, false, "SCRAM-SHA-256 n"},
		{"all, bound logins fail", all, nil, newer, true, "SCRAM-SHA-256 n"},
		{"the server knows our kind", all, []string{"tls-unique", "tls-exporter"}, newer, false, "SCRAM-SHA-256-PLUS p"},
		{"the server knows other kinds", all, []string{"tls-server-end-point"}, newer, false, "SCRAM-SHA-256 n"},
		{"bound before better", "SCRAM-SHA-1-PLUS SCRAM-SHA-256", nil, newer, false, "SCRAM-SHA-1-PLUS p"},
		{"the server does not bind", "PLAIN SCRAM-SHA-1 SCRAM-SHA-256", nil, newer, false, "SCRAM-SHA-256 y"},
		{"only the old one", "SCRAM-SHA-1", nil, newer, false, "SCRAM-SHA-1 y"},
		{"neither end binds", "SCRAM-SHA-1", nil, newer, true, "SCRAM-SHA-1 n"},
		{"it binds in a way that we have not", "SCRAM-SHA-512-PLUS SCRAM-SHA-256", nil, newer, false, "SCRAM-SHA-256 n"},
		{"nothing that is good", "PLAIN DIGEST-MD5", nil, newer, false, ""},
	} {
		name, m, ok := choose(strings.Fields(tt.offered), tt.kinds, tt.st, tt.off)
		got := ""
		if ok {
			got = name + " " + flag(name, m.Name)
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// flag is what a mechanism, taken for that name, says of channel binding.
func flag(name, mechanism string) string {
	switch {
	case strings.HasSuffix(name, "-PLUS"):
		return "p"
	case strings.HasSuffix(mechanism, "-PLUS"):
		return "y"
	}
	return "n"
}

// TestBoundLogin: what becomes of it with Prosody, which offers it with TLS 1.2 only. What
// ejabberd does is in TestToldByServers.
func TestBoundLogin(t *testing.T) {
	prosody := xmpptest.Prosody(t, xmpptest.Options{})
	testBoundLogin(t, prosody, tls.VersionTLS12, true, false)
	testBoundLogin(t, prosody, tls.VersionTLS13, false, false)
	testBoundLogin(t, xmpptest.Prosody(t, xmpptest.Options{SHA1: true}), tls.VersionTLS12, true, false)
}

// testBoundLogin logs in with a version of TLS, whether it is bound then, or that is given
// up.
func testBoundLogin(t *testing.T, srv xmpptest.Server, version uint16, bound, off bool) {
	t.Run(tls.VersionName(version), func(t *testing.T) {
		var log strings.Builder
		a := account(t, srv, "user")
		a.maxTLS, a.channel, a.Log = version, &channel{}, slog.New(slog.NewTextHandler(&log, nil))
		a.Password = "wrong"
		fails(t, a, WrongPassword, "password")
		a.Password = password
		for range 2 {
			s, err := Dial(within(t, 10*time.Second), a)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			if s.Bound() != bound {
				t.Errorf("the session is bound: %v, want %v", s.Bound(), bound)
			}
		}
		if a.channel.bound != bound || a.channel.off != off {
			t.Errorf("bound: %v, want %v; given up: %v, want %v", a.channel.bound, bound, a.channel.off, off)
		}
		if got := strings.Count(log.String(), "SCRAM-PLUS"); got != 0 && !off || got != 1 && off {
			t.Errorf("told %d times: %s", got, &log)
		}
	})
}

// TestBinding: by a server that checks what a login is bound to, with TLS 1.3.
func TestBinding(t *testing.T) {
	const all = "SCRAM-SHA-256 SCRAM-SHA-256-PLUS"
	refusal := "<failure xmlns='" + nsSASL + "'><not-authorized/><text>Invalid channel binding</text></failure>"
	type login struct{ mechanism, flag string }
	for _, tt := range []struct {
		name, offered, more string
		refuse              bool // logins that are bound
		before              *channel
		want                []login
		kind                FailureKind
	}{
		{"bound", all, "", false, &channel{}, []login{{"SCRAM-SHA-256-PLUS", "p=tls-exporter"}}, ""},
		{"kinds are listed", all, listed("tls-exporter"), false, &channel{}, []login{{"SCRAM-SHA-256-PLUS", "p=tls-exporter"}}, ""},
		{"ours is not listed", all, listed("tls-unique"), false, &channel{}, []login{{"SCRAM-SHA-256", "n"}}, ""},
		{"cut from the offer", "SCRAM-SHA-256", "", false, &channel{}, []login{{"SCRAM-SHA-256", "y"}}, ""},
		{"refused at first", all, "", true, &channel{}, []login{{"SCRAM-SHA-256-PLUS", "p=tls-exporter"}, {"SCRAM-SHA-256", "n"}}, ""},
		{"refused after it worked", all, "", true, &channel{bound: true}, []login{{"SCRAM-SHA-256-PLUS", "p=tls-exporter"}}, Unbound},
		{"required", all, "", false, &channel{must: true}, []login{{"SCRAM-SHA-256-PLUS", "p=tls-exporter"}}, ""},
		{"required and refused", all, "", true, &channel{must: true}, []login{{"SCRAM-SHA-256-PLUS", "p=tls-exporter"}}, Unbound},
		{"required and not offered", "SCRAM-SHA-256", "", false, &channel{must: true}, nil, Unbound},
		{"required and ours is not listed", all, listed("tls-unique"), false, &channel{must: true}, nil, Unbound},
		{"cut after it was refused", "SCRAM-SHA-256", "", false, &channel{off: true}, []login{{"SCRAM-SHA-256", "n"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			heard := make(chan login, 4)
			a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
				hear("'>")
				offer := fakeHeader + "<stream:features>" + tt.more + "<mechanisms xmlns='" + nsSASL + "'>"
				for _, m := range strings.Fields(tt.offered) {
					offer += "<mechanism>" + m + "</mechanism>"
				}
				io.WriteString(c, offer+"</mechanisms></stream:features>")
				refuse := ""
				if tt.refuse {
					refuse = refusal
				}
				mechanism, flag, ok := scramServer(c, hear, refuse)
				if mechanism != "" { // it has begun
					heard <- login{mechanism, flag}
				}
				if !ok {
					return
				}
				hear("'>")
				io.WriteString(c, fakeHeader+"<stream:features><bind xmlns='"+nsBind+"'/></stream:features>")
				_, id, _ := strings.Cut(hear("</iq>"), "id='")
				id, _, _ = strings.Cut(id, "'")
				io.WriteString(c, "<iq type='result' id='"+id+"'><bind xmlns='"+nsBind+"'><jid>user@localhost/x</jid></bind></iq>")
				hear("</stream:stream>")
			})
			a.channel = tt.before
			s, err := Dial(within(t, 5*time.Second), a)
			if err == nil {
				s.Close()
			}
			if (err == nil) != (tt.kind == "") {
				t.Errorf("%v", err)
			}
			for _, want := range tt.want {
				if got := <-heard; got != want {
					t.Errorf("the server heard %v, want %v", got, want)
				}
			}
			if len(heard) > 0 {
				t.Errorf("it tried once more: %v", <-heard)
			}
			if tt.kind != "" {
				fails(t, a, tt.kind, "somebody may be in between")
			}
		})
	}
}

func listed(kind string) string {
	return "<sasl-channel-binding xmlns='" + nsBindings + "'><channel-binding type='" + kind + "'/></sasl-channel-binding>"
}

// scramServer checks a login with SCRAM-SHA-256 for the password "x", or refuses it when
// it is bound.
func scramServer(c net.Conn, hear func(string) string, refusal string) (mechanism, flag string, ok bool) {
	_, auth, _ := strings.Cut(hear("</auth>"), "mechanism='")
	mechanism, text, _ := strings.Cut(strings.TrimSuffix(auth, "</auth>"), "'>")
	x := newScram(text, 4096)
	bound := ""
	if strings.HasPrefix(x.gs2, "p=") {
		if refusal != "" {
			io.WriteString(c, refusal)
			return mechanism, x.flag(), false
		}
		st := c.(*tls.Conn).ConnectionState()
		key, err := st.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		if err != nil {
			panic(err)
		}
		bound = string(key)
	}
	say(c, "challenge", x.serverFirst)
	_, text, _ = strings.Cut(hear("</response>"), "'>")
	last, _ := base64.StdEncoding.DecodeString(strings.TrimSuffix(text, "</response>"))
	want := "c=" + base64.StdEncoding.EncodeToString([]byte(x.gs2+bound)) + ","
	if !strings.HasPrefix(string(last), want) {
		say(c, "success", "e=channel-bindings-dont-match")
		return mechanism, fmt.Sprintf("%s: the response is %s, want %s", x.flag(), last, want), false
	}
	say(c, "success", x.final(string(last)))
	return mechanism, x.flag(), true
}

// TestRelayedLogin: somebody with a certificate that is believed sits between us and a
// Prosody, and passes on what both say.
func TestRelayedLogin(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	good := account(t, srv, "user")
	cut := func(s string) string {
		for _, m := range []string{"SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"} {
			s = strings.ReplaceAll(s, "<mechanism>"+m+"</mechanism>", "")
		}
		return s
	}
	same := func(s string) string { return s }
	for _, tt := range []struct {
		name   string
		before *channel
		change func(string) string // what the server says
		want   FailureKind
	}{
		{"a login that is bound", &channel{bound: true}, same, Unbound},
		{"the offer is cut", &channel{}, cut, Unbound},
		{"the offer is cut after it was seen", &channel{bound: true}, cut, Unbound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := good
			a.channel, a.maxTLS, a.TLS = tt.before, tls.VersionTLS12, DirectTLS
			a.Server, a.CAFile = between(t, srv.Direct(), tt.change)
			fails(t, a, tt.want, "in between")
		})
	}
}

// between passes on what is said between clients and a server, by TLS connections of its
// own. It returns where, and the file of its authority.
func between(t *testing.T, server string, change func(string) string) (addr, caFile string) {
	ca := xmpptest.NewCA(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", ca.Server(t, "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer client.Close()
				server, err := tls.Dial("tcp", server, &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12})
				if err != nil {
					t.Errorf("between: %v", err)
					return
				}
				wg.Go(func() { io.Copy(server, client); server.Close() })
				b := make([]byte, 10000)
				for {
					n, err := server.Read(b)
					if err != nil {
						return
					}
					io.WriteString(client, change(string(b[:n])))
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String(), ca.File(t)
}
