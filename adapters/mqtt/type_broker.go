package mqtt

import (
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// brokerConfig is a broker node as the device uses it. Comparable: a change that
// changes nothing does nothing.
type brokerConfig struct {
	linkConfig
	silence    time.Duration
	outboxTime time.Duration // 0: nothing waits
	outboxSize int
}

// linkConfig is what a connection is made with. A change of it means another one.
type linkConfig struct {
	host, transport, path string
	port                  int
	user, password        string
	clientID              string
	ca, cert, key         string // files
	anyCertificate        bool
	clean                 bool
	qos                   byte
	keepAlive             time.Duration
	willTopic, will       string
	willQoS               byte
	willRetain            bool
	subscribe             string // filters to subscribe in place of single topics
	maxPayload            int
}

func (c *linkConfig) tls() bool { return c.transport == "tls" || c.transport == "wss" }
func (c *linkConfig) web() bool { return c.transport == "ws" || c.transport == "wss" }

// addr names the broker as dialled.
func (c *linkConfig) addr() string {
	port := c.port
	if port == 0 {
		port = map[string]int{"tcp": 1883, "tls": 8883, "ws": 80, "wss": 443}[c.transport]
	}
	return net.JoinHostPort(c.host, strconv.Itoa(port))
}

func readBroker(s *nodes.Spec) brokerConfig {
	p := s.Params
	c := brokerConfig{silence: p.Span("SilenceTimeout"), outboxTime: p.Span("OutboxTime"), outboxSize: p.Int("OutboxSize"), linkConfig: linkConfig{
		host: p.Text("Host"), port: p.Int("Port"), transport: p.Text("Transport"), path: p.Text("Path"),
		user: p.Text("UserName"), password: p.Text("Password"), clientID: p.Text("ClientId"),
		ca: p.Text("CAFile"), cert: p.Text("CertificateFile"), key: p.Text("KeyFile"), anyCertificate: p.Bool("TrustServer"),
		clean: p.Bool("CleanSession"), qos: qosOf(p, "QoS"), keepAlive: p.Span("KeepAlive"),
		willTopic: p.Text("WillTopic"), will: p.Text("WillData"), willQoS: qosOf(p, "WillQoS"), willRetain: p.Bool("WillRetain"),
		subscribe: p.Text("Subscribe"), maxPayload: p.Int("MaxPayload"),
	}}
	return c
}

func qosOf(p nodes.Params, id string) byte {
	n, _ := strconv.Atoi(p.Text(id))
	return byte(n)
}

func qosParam(id, page, label, def, description string) nodes.Param {
	return nodes.Param{ID: id, Page: page, Label: label, Kind: nodes.KindEnum, Default: nodes.Enum(def, id), Description: description,
		Options: options("0", "At most once", "1", "At least once", "2", "Exactly once")}
}

func brokerType() nodes.Type {
	return nodes.Type{
		Name: TypeBroker, Title: "MQTT broker",
		Parents:  []string{nodes.TypeRoot, nodes.TypeFolder},
		Caps:     nodes.CanRead | nodes.CanSniff | nodes.CanCommand,
		Connects: true,
		Commands: described(brokerCommands()),
		Check:    checkBroker,
		Params: []nodes.Param{
			{ID: "Host", Page: "Connection", Label: "Host", Kind: nodes.KindString, Required: true, Pattern: `[^\s/]{1,253}`,
				Description: "Name or IP address of the broker."},
			{ID: "Port", Page: "Connection", Label: "Port", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(65535),
				Description: "TCP port; empty: that of the transport, 1883, 8883, 80 or 443."},
			{ID: "Transport", Page: "Connection", Label: "Transport", Kind: nodes.KindEnum, Default: nodes.Enum("tcp", "Transport"),
				Options:     options("tcp", "TCP, not encrypted", "tls", "TLS", "ws", "WebSocket, not encrypted", "wss", "WebSocket with TLS"),
				Description: "How the broker is reached."},
			{ID: "Path", Page: "Connection", Label: "Path", Kind: nodes.KindString, Default: nodes.String("/mqtt"), Pattern: `/\S*`,
				Description: "Of WebSockets."},
			{ID: "UserName", Page: "Connection", Label: "User name", Kind: nodes.KindString, Description: "When the broker asks for one."},
			{ID: "Password", Page: "Connection", Label: "Password", Kind: nodes.KindString, Secret: true, Description: "Of that user."},
			{ID: "ClientId", Page: "Connection", Label: "Client id", Kind: nodes.KindString, Pattern: `\S{1,128}`,
				Description: "Two clients with the same id throw each other out. Empty: one of the hub's own, which stays the same."},
			{ID: "CAFile", Page: "Encryption", Label: "CA file", Kind: nodes.KindString,
				Description: "File on the hub's machine, PEM, with the authorities that are trusted; empty: those of the system."},
			{ID: "CertificateFile", Page: "Encryption", Label: "Certificate file", Kind: nodes.KindString, Description: "The hub's own certificate, PEM, when the broker asks for one."},
			{ID: "KeyFile", Page: "Encryption", Label: "Key file", Kind: nodes.KindString, Description: "Its key, PEM."},
			{ID: "TrustServer", Page: "Encryption", Label: "Trust any certificate", Kind: nodes.KindBool, Default: nodes.Bool(false),
				Description: "Whether the broker's certificate is not checked: then anybody on the way can read and change everything."},
			{ID: "CleanSession", Page: "Session", Label: "Clean session", Kind: nodes.KindBool, Default: nodes.Bool(true),
				Description: "If not, the broker keeps what is published with QoS 1 or 2 while the hub is away."},
			qosParam("QoS", "Session", "QoS", "0", "With which the hub subscribes."),
			with(span("KeepAlive", "Session", "Keep alive", "A connection on which nothing comes for so long, and half of it, is given up.", time.Second, time.Hour), nodes.Duration(0, 30*time.Second)),
			{ID: "Subscribe", Page: "Session", Label: "Subscribe", Kind: nodes.KindString, Multi: true,
				Description: "Topic filters, a comma or a line apart, subscribed in place of the topics of each device, for brokers that limit how many there may be."},
			{ID: "MaxPayload", Page: "Session", Label: "Greatest payload", Kind: nodes.KindInt32, Default: nodes.Int32(1 << 20), Min: nodes.Int32(128), Max: nodes.Int32(64 << 20),
				Description: "In bytes. A longer one is dropped as it comes in, and said on its device."},
			{ID: "WillTopic", Page: "Last will", Label: "Topic of the last will", Kind: nodes.KindString, Description: "Where the broker publishes that the hub is gone; empty: nowhere."},
			{ID: "WillData", Page: "Last will", Label: "Last will", Kind: nodes.KindString, Description: "What is published there."},
			qosParam("WillQoS", "Last will", "QoS of the last will", "0", "With which it is published."),
			{ID: "WillRetain", Page: "Last will", Label: "Retain the last will", Kind: nodes.KindBool, Default: nodes.Bool(false), Description: "Whether the broker keeps it for those who subscribe later."},
			with(span("OutboxTime", "Outbox", "Time in the outbox", "How long what is to be published waits for a connection, on disk; 0: it does not wait, and fails.", 0, 31*24*time.Hour), nodes.Duration(0, 0)),
			{ID: "OutboxSize", Page: "Outbox", Label: "Size of the outbox", Kind: nodes.KindInt32, Default: nodes.Int32(100), Min: nodes.Int32(1), Max: nodes.Int32(10000),
				Description: "How many messages wait at most, 1 MiB in all; more are refused."},
			with(span("SilenceTimeout", "Values", "Silence time-out", "A device that sends nothing for so long is said to be silent, and its values are no longer current; 0: never. Each device may have its own.", 0, 366*24*time.Hour), nodes.Duration(0, time.Hour)),
		},
	}
}

func checkBroker(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, wrong, "KeepAlive", "SilenceTimeout", "OutboxTime")
	c := readBroker(&nodes.Spec{Params: p})
	for _, f := range filters(c.subscribe) {
		if err := checkFilter(f); err != nil {
			wrong["Subscribe"] = err.Error()
		}
	}
	if c.willTopic != "" {
		if err := checkTopic(c.willTopic); err != nil {
			wrong["WillTopic"] = err.Error()
		}
	}
	if (c.cert == "") != (c.key == "") {
		wrong["KeyFile"] = "a certificate has a key: write both files, or none"
	}
	if !c.tls() && (c.ca != "" || c.cert != "" || c.anyCertificate) {
		wrong["Transport"] = "certificates need tls or wss"
	}
	if c.password != "" && c.user == "" {
		wrong["UserName"] = "a password needs a user name"
	}
	if k := c.keepAlive; k%time.Second != 0 {
		wrong["KeepAlive"] = "must be whole seconds"
	}
	return wrong
}

// filters takes apart the parameter Subscribe.
func filters(text string) []string {
	var list []string
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}
