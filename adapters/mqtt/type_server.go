package mqtt

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/fieldhub/hub/adapters/mqtt/server"
	"github.com/fieldhub/hub/nodes"
)

// serverConfig is a server node as the adapter uses it. Comparable.
type serverConfig struct {
	listen      string
	transport   string
	cert, key   string // files
	accounts    string
	rights      string
	anonymous   bool
	maxClients  int
	maxPacket   int
	maxRetained int
}

func readServer(s *nodes.Spec) serverConfig {
	p := s.Params
	return serverConfig{listen: p.Text("Listen"), transport: p.Text("Transport"), cert: p.Text("CertificateFile"), key: p.Text("KeyFile"),
		accounts: p.Text("Accounts"), rights: p.Text("Rights"), anonymous: p.Bool("Anonymous"),
		maxClients: p.Int("MaxClients"), maxPacket: p.Int("MaxPayload"), maxRetained: p.Int("MaxRetained")}
}

func (c *serverConfig) tls() bool { return c.transport == "tls" || c.transport == "wss" }

func serverType() nodes.Type {
	return nodes.Type{
		Name: TypeServer, Title: "MQTT server",
		Parents:  []string{nodes.TypeRoot, nodes.TypeFolder},
		Caps:     nodes.CanRead | nodes.CanSniff | nodes.CanCommand,
		Connects: true,
		Commands: []nodes.Command{listClients},
		Check:    checkServer,
		Params: []nodes.Param{
			{ID: "Listen", Page: "Connection", Label: "Address", Kind: nodes.KindString, Default: nodes.String("127.0.0.1:1883"), Pattern: `\S*:\d{1,5}`,
				Description: "Where it listens: address and port. 127.0.0.1:1883 is for this machine only, :1883 for all networks."},
			{ID: "Transport", Page: "Connection", Label: "Transport", Kind: nodes.KindEnum, Default: nodes.Enum("tcp", "Transport"),
				Options:     options("tcp", "TCP, not encrypted", "tls", "TLS", "ws", "WebSocket, not encrypted", "wss", "WebSocket with TLS"),
				Description: "What it speaks there."},
			{ID: "CertificateFile", Page: "Connection", Label: "Certificate file", Kind: nodes.KindString, Description: "Its certificate for TLS: a PEM file on the hub's machine."},
			{ID: "KeyFile", Page: "Connection", Label: "Key file", Kind: nodes.KindString, Description: "The key of the certificate, PEM."},
			{ID: "Accounts", Page: "Access", Label: "Accounts", Kind: nodes.KindString, Multi: true, Secret: true, Description: "Who may connect, one in a line: user:password."},
			{ID: "Anonymous", Page: "Access", Label: "Anonymous", Kind: nodes.KindBool, Default: nodes.Bool(false), Description: "Whether clients without an account may connect."},
			{ID: "Rights", Page: "Access", Label: "Rights", Kind: nodes.KindString, Multi: true,
				Description: "Who may do what, one in a line: user, then read, write or both, then a topic filter: meter write plant/meter/#. The user * is everybody, %u in a filter the name of the user. Empty: everybody everything."},
			{ID: "MaxClients", Page: "Limits", Label: "Clients", Kind: nodes.KindInt32, Default: nodes.Int32(200), Min: nodes.Int32(1), Max: nodes.Int32(10000), Description: "How many may be connected."},
			{ID: "MaxPayload", Page: "Limits", Label: "Greatest message", Kind: nodes.KindInt32, Default: nodes.Int32(1 << 20), Min: nodes.Int32(1024), Max: nodes.Int32(64 << 20),
				Description: "In bytes. A client that sends a longer one is disconnected."},
			{ID: "MaxRetained", Page: "Limits", Label: "Retained messages", Kind: nodes.KindInt32, Default: nodes.Int32(10000), Min: nodes.Int32(1), Max: nodes.Int32(1000000), Description: "How many are kept, in memory."},
		},
	}
}

func checkServer(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	c := readServer(&nodes.Spec{Params: p})
	accounts, err := server.ParseAccounts(c.accounts)
	if err != nil {
		wrong["Accounts"] = err.Error()
	} else if len(accounts) == 0 && !c.anonymous {
		wrong["Accounts"] = "nobody could connect: write accounts, or set Anonymous"
	}
	if _, err := server.ParseRights(c.rights); err != nil {
		wrong["Rights"] = err.Error()
	}
	if c.tls() && (c.cert == "" || c.key == "") {
		wrong["CertificateFile"] = "TLS needs a certificate and its key"
	}
	host, _, err := net.SplitHostPort(c.listen)
	if err != nil {
		wrong["Listen"] = "write address and port, such as 127.0.0.1:1883"
	} else if ip := net.ParseIP(host); c.anonymous && c.rights == "" && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		wrong["Anonymous"] = "on a network anybody could do everything: write Rights, or listen on 127.0.0.1"
	}
	return wrong
}

// options returns how the server works; the accounts and rights were checked before.
func (c *serverConfig) options() (server.Options, error) {
	accounts, err := server.ParseAccounts(c.accounts)
	if err != nil {
		return server.Options{}, err
	}
	rights, err := server.ParseRights(c.rights)
	if err != nil {
		return server.Options{}, err
	}
	o := server.Options{WebSocket: c.transport == "ws" || c.transport == "wss", MaxClients: c.maxClients, MaxPacket: c.maxPacket, MaxRetained: c.maxRetained,
		Authenticate: func(_, user, password string) bool {
			return c.anonymous && user == "" || accounts.Check(user, password)
		}}
	if len(rights) > 0 {
		o.Allow = func(user, topic string, publish bool) bool { return server.Allowed(rights, user, topic, publish) }
	}
	if c.tls() {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
		if err != nil {
			return server.Options{}, fileError{"CertificateFile and KeyFile cannot be used: " + err.Error()}
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	return o, nil
}

// tellServer is how often a server tells of itself.
const tellServer = 10 * time.Second
