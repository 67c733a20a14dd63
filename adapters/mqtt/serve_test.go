package mqtt

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/nodes"
)

func serverNode(t testing.TB, more ...any) *nodes.Node {
	t.Helper()
	return adaptertest.Fill(t, factory(hasty), &nodes.Node{Spec: nodes.Spec{Name: "srv", Type: TypeServer, Parent: nodes.RootID,
		Params: params(append([]any{"Listen", "127.0.0.1:0"}, more...)...)}})
}

// listening waits until a server listens, and returns its port.
func listening(t testing.TB, d *adaptertest.Device) int {
	t.Helper()
	d.Host.Wait(t, soon, "the address", func() bool { return shown(d.Host, "srv", "address").Text() != "" })
	addr, err := net.ResolveTCPAddr("tcp", shown(d.Host, "srv", "address").Text())
	if err != nil {
		t.Fatal(err)
	}
	return addr.Port
}

// Devices connect with the hub's own server, within their rights, and a broker node of the
// same hub reads them; over each transport.
func TestServer(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, dir, "ca")
	ca.issue(t, dir, "server")
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, transport := range []string{"tcp", "tls", "ws", "wss"} {
		t.Run(transport, func(t *testing.T) {
			secure := transport == "tls" || transport == "wss"
			own := []any{"Transport", transport, "Accounts", "hub:secret\nmeter:pw", "Rights", "hub both #\nmeter write plant/%u/#"}
			theirs := []any{"Transport", transport, "UserName", "hub", "Password", "secret"}
			if secure {
				own = append(own, "CertificateFile", file("server.pem"), "KeyFile", file("server.key"))
				theirs = append(theirs, "CAFile", file("ca.pem"))
			}
			s := start(t, serverNode(t, own...))
			port := listening(t, s)
			devices := []*nodes.Node{deviceNode("m", "plant/meter", []*nodes.Node{fieldNode("x", "x", "Topic", "~/state")}),
				deviceNode("o", "plant/other", []*nodes.Node{fieldNode("x", "x", "Topic", "~/state")})}
			d := start(t, brokerNode(t, port, devices, theirs...))
			d.Host.Wait(t, soon, "the connection", func() bool { return shown(d.Host, "mq", "connected") == nodes.Bool(true) })
			theirs[3], theirs[5] = "meter", "pw"
			m := start(t, brokerNode(t, port, one(), theirs...))
			m.Host.Wait(t, soon, "that it may not read", func() bool { return message(m.Host, "mq", EventSubscription) != "" })
			for _, topic := range []string{"plant/other/state", "plant/meter/state"} {
				if err := m.Execute(soon, "mq", "Publish", params("Topic", topic, "Payload", `{"x":7}`, "Retain", true)); err != nil && topic == "plant/meter/state" {
					t.Errorf("%s: %v", topic, err)
				}
			}
			d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/m/x").Double() == 7 })
			if v := d.Host.Value("mq/o/x"); !v.IsZero() {
				t.Errorf("what it may not publish came: %v", v)
			}
			list, err := s.Query(soon, "srv", "ListClients", nil)
			if got := strings.Join(rows(list), "\n"); err != nil || !strings.Contains(got, "|hub|127.0.0.1") || !strings.Contains(got, "|meter|") {
				t.Errorf("got %v, %s", err, got)
			}
		})
	}
}

func TestServerRefuses(t *testing.T) {
	s := start(t, serverNode(t, "Accounts", "joe:secret"))
	port := listening(t, s)
	for _, p := range [][]any{{}, {"UserName", "joe", "Password", "x"}, {"UserName", "ann", "Password", "secret"}} {
		d := start(t, brokerNode(t, port, one(), p...))
		d.Host.Wait(t, soon, "a message", func() bool { return strings.Contains(message(d.Host, "mq", EventConnection), "refuses the user") })
	}
	d := start(t, serverNode(t, "Accounts", "joe:secret", "Listen", shown(s.Host, "srv", "address").Text()))
	d.Host.Wait(t, soon, "a message", func() bool { return strings.Contains(message(d.Host, "srv", EventListen), "in use") })
	s.Stop()
	d.Host.Wait(t, soon, "that it listens", func() bool {
		return message(d.Host, "srv", EventListen) == "" && shown(d.Host, "srv", "address").Text() != ""
	})
	for _, tt := range []struct {
		params []any
		wrong  string
	}{
		{[]any{}, "Accounts"}, {[]any{"Accounts", "joe"}, "Accounts"}, {[]any{"Accounts", "joe:x", "Rights", "joe all #"}, "Rights"},
		{[]any{"Accounts", "joe:x", "Transport", "tls"}, "CertificateFile"}, {[]any{"Anonymous", true, "Listen", ":1883"}, "Anonymous"},
		{[]any{"Anonymous", true, "Listen", "127.0.0.1:1883"}, ""}, {[]any{"Anonymous", true, "Listen", ":1883", "Rights", "* write x"}, ""},
	} {
		p := params(append([]any{"Listen", "127.0.0.1:1883"}, tt.params...)...)
		if wrong := checkServer(p); (len(wrong) > 0) != (tt.wrong != "") || tt.wrong != "" && wrong[tt.wrong] == "" {
			t.Errorf("%v: got %v", tt.params, wrong)
		}
	}
}
