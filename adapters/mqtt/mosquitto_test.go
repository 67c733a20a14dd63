package mqtt

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

// mosquitto starts a Mosquitto until the test ends. Without one the test is skipped, or
// fails where HUB_TEST_SERVERS is "required".
func mosquitto(t testing.TB, lines ...string) *mqtttest.Mosquitto {
	t.Helper()
	m, err := mqtttest.StartMosquitto(t.TempDir(), lines...)
	if errors.Is(err, mqtttest.ErrNotInstalled) && os.Getenv("HUB_TEST_SERVERS") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		m.Close()
		if t.Failed() {
			text := m.Log.String()
			t.Log(text[max(0, len(text)-2000):])
		}
	})
	return m
}

// publisher connects a client until the test ends.
func publisher(t testing.TB, port int) paho.Client {
	t.Helper()
	o := paho.NewClientOptions().AddBroker("tcp://" + net.JoinHostPort("127.0.0.1", itoa(port)))
	o.SetClientID("publisher")
	c := paho.NewClient(o)
	if token := c.Connect(); !token.WaitTimeout(soon) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { c.Disconnect(100) })
	return c
}

func send(t testing.TB, c paho.Client, topic string, retain bool, payload string) {
	t.Helper()
	if token := c.Publish(topic, 1, retain, payload); !token.WaitTimeout(soon) || token.Error() != nil {
		t.Fatal(token.Error())
	}
}

func itoa(n int) string { return big.NewInt(int64(n)).String() }

func TestMosquitto(t *testing.T) {
	m := mosquitto(t)
	c := publisher(t, m.Port)
	send(t, c, "boiler/mode", true, "1")
	d := start(t, brokerNode(t, m.Port, []*nodes.Node{deviceNode("boiler", "boiler", []*nodes.Node{
		fieldNode("t", "t", "Topic", "~/state", "Unit", "°C"),
		fieldNode("mode", "", "Topic", "~/mode", "Format", "number", "Options", "0=off,1=on"),
	})}, "QoS", "1"))
	d.Host.Wait(t, soon, "the retained value", func() bool { return d.Host.Value("mq/boiler/mode") == nodes.Enum("on", "mode") })
	if r, _ := d.Host.Last("mq/boiler/mode"); r.Fields[0].QoS != nodes.Warning {
		t.Errorf("a retained value has the flags %v", r.Fields[0].QoS)
	}
	send(t, c, "boiler/state", false, `{"t":21.50}`)
	d.Host.Wait(t, soon, "a live value", func() bool { return d.Host.Value("mq/boiler/t") == nodes.Quantity(21.5, 2, "°C") })
	send(t, c, "boiler/mode", true, "0")
	d.Host.Wait(t, soon, "a live value", func() bool { return d.Host.Value("mq/boiler/mode") == nodes.Enum("off", "mode") })
	if r, _ := d.Host.Last("mq/boiler/mode"); r.Fields[0].QoS != 0 {
		t.Errorf("a live value has the flags %v", r.Fields[0].QoS)
	}
}

// A session that is kept delivers what was published while the hub was away, and
// forgets what is subscribed no more.
func TestPersistentSession(t *testing.T) {
	m := mosquitto(t)
	c := publisher(t, m.Port)
	n := brokerNode(t, m.Port, []*nodes.Node{deviceNode("a", "a", []*nodes.Node{fieldNode("x", "x")}),
		deviceNode("b", "b", []*nodes.Node{fieldNode("x", "x")})}, "QoS", "1", "CleanSession", false, "ClientId", "hub-test")
	d := start(t, n)
	d.Host.Wait(t, soon, "the connection", func() bool { return shown(d.Host, "mq", "connected") == nodes.Bool(true) })
	send(t, c, "a", false, `{"x":1}`)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 1 })
	d.Stop()
	send(t, c, "a", false, `{"x":2}`)
	send(t, c, "b", false, `{"x":2}`)
	n.Children = n.Children[:1]
	d = startWith(t, n, d.Host.Shelf())
	d.Host.Wait(t, soon, "what came meanwhile", func() bool { return d.Host.Value("mq/a/x").Double() == 2 })
	unknown := func() int64 { return shown(d.Host, "mq", "messages without a field").Int() }
	for i := 3; ; i++ { // until it has told the broker
		before := unknown()
		send(t, c, "b", false, `{"x":3}`)
		send(t, c, "a", false, fmt.Sprintf(`{"x":%d}`, i))
		d.Host.Wait(t, soon, "what comes now", func() bool { return d.Host.Value("mq/a/x").Double() == float64(i) })
		time.Sleep(3 * hasty.tell) // until it is in the statistics
		if unknown() == before {
			break
		}
		if i > 50 {
			t.Fatal("messages of a topic that is subscribed no more keep coming")
		}
	}
}

// Certificates: an authority of its own, a client certificate that is asked for.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	ca := authority(t, dir, "ca")
	ca.issue(t, dir, "server")
	ca.issue(t, dir, "client")
	authority(t, dir, "other")
	m := mosquitto(t, "cafile "+path("ca.pem"), "certfile "+path("server.pem"), "keyfile "+path("server.key"), "require_certificate true")
	devices := []*nodes.Node{deviceNode("a", "a", []*nodes.Node{fieldNode("x", "x")})}
	for _, tt := range []struct {
		name   string
		params []any
		want   string // in the message; empty: it connects
	}{
		{"good", []any{"CAFile", path("ca.pem"), "CertificateFile", path("client.pem"), "KeyFile", path("client.key")}, ""},
		{"any", []any{"TrustServer", true, "CertificateFile", path("client.pem"), "KeyFile", path("client.key")}, ""},
		{"unknown authority", []any{"CertificateFile", path("client.pem"), "KeyFile", path("client.key")}, "not trusted"},
		{"other authority", []any{"CAFile", path("other.pem")}, "not trusted"},
		{"no client certificate", []any{"CAFile", path("ca.pem")}, "CertificateFile"},
		{"other name", []any{"CAFile", path("ca.pem"), "CertificateFile", path("client.pem"), "KeyFile", path("client.key"), "Host", "127.0.0.2"}, "another name"},
		{"no file", []any{"CAFile", path("none.pem")}, "cannot be read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "other name" {
				m = mosquittoOn(t, "127.0.0.2", m, path)
			}
			d := start(t, brokerNode(t, m.Port, devices, append([]any{"Transport", "tls"}, tt.params...)...))
			if tt.want == "" {
				d.Host.Wait(t, soon, "the connection", func() bool { return shown(d.Host, "mq", "connected") == nodes.Bool(true) })
				return
			}
			d.Host.Wait(t, soon, "a message with "+tt.want, func() bool { return strings.Contains(message(d.Host, "mq", EventConnection), tt.want) })
		})
	}
}

// mosquittoOn starts a second Mosquitto, on another address.
func mosquittoOn(t *testing.T, addr string, _ *mqtttest.Mosquitto, path func(string) string) *mqtttest.Mosquitto {
	l, err := net.Listen("tcp", addr+":0")
	if err != nil {
		t.Skip(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	m := mosquitto(t, "listener "+itoa(port)+" "+addr, "cafile "+path("ca.pem"), "certfile "+path("server.pem"), "keyfile "+path("server.key"))
	return &mqtttest.Mosquitto{Port: port, Log: m.Log}
}

type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func writePEM(t *testing.T, file, kind string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func authority(t *testing.T, dir, name string) issuer {
	return issuer{}.make(t, dir, name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
}

func (i issuer) issue(t *testing.T, dir, name string) {
	i.make(t, dir, name, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
}

func (i issuer) make(t *testing.T, dir, name string, c *x509.Certificate) issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := i.cert, i.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, name+".key"), "EC PRIVATE KEY", raw)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issuer{cert, key}
}

func TestPassword(t *testing.T) {
	program, err := exec.LookPath("mosquitto_passwd")
	if err != nil {
		t.Skip("mosquitto_passwd is not installed (Debian package mosquitto)")
	}
	file := filepath.Join(t.TempDir(), "users")
	if out, err := exec.Command(program, "-b", "-c", file, "joe", "secret").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m := mosquitto(t, "allow_anonymous false", "password_file "+file)
	devices := []*nodes.Node{deviceNode("a", "a", []*nodes.Node{fieldNode("x", "x")})}
	d := start(t, brokerNode(t, m.Port, devices, "UserName", "joe", "Password", "wrong"))
	d.Host.Wait(t, soon, "a message", func() bool { return strings.Contains(message(d.Host, "mq", EventConnection), "Password") })
	if strings.Contains(message(d.Host, "mq", EventConnection), "wrong") {
		t.Error("the message shows the password")
	}
	d.Update(nodes.Change{Put: []*nodes.Node{{Spec: brokerNode(t, m.Port, nil, "UserName", "joe", "Password", "secret").Spec}}})
	d.Host.Wait(t, soon, "the connection", func() bool { return shown(d.Host, "mq", "connected") == nodes.Bool(true) })
	d.Host.Wait(t, soon, "no message", func() bool { return message(d.Host, "mq", EventConnection) == "" })
}
