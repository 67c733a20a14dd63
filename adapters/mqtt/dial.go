package mqtt

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/gorilla/websocket"

	"github.com/fieldhub/hub/adapters/mqtt/ws"
)

var (
	errNoAnswer = errors.New("the broker does not answer")
	errLength   = errors.New("it sends what is not MQTT: check Port and Transport")
)

// fileError is that a file of the configuration cannot be used.
type fileError struct{ text string }

func (e fileError) Error() string { return e.text }

// dialer returns how a connection is opened. The end of ctx closes it while it is not
// yet one of MQTT.
func (b *broker) dialer(ctx context.Context, cfg *linkConfig) (func(*url.URL, mqtt.ClientOptions) (net.Conn, error), error) {
	secure, err := tlsConfig(cfg)
	if err != nil {
		return nil, err
	}
	return func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		dialing, cancel := context.WithTimeout(ctx, b.timing.connect)
		defer cancel()
		c, err := dial(dialing, cfg, secure)
		if err != nil {
			return nil, err
		}
		l := newLimited(c, cfg.maxPayload)
		l.stop = context.AfterFunc(ctx, func() { c.Close() })
		return l, nil
	}, nil
}

func dial(ctx context.Context, cfg *linkConfig, secure *tls.Config) (net.Conn, error) {
	var d net.Dialer
	if cfg.web() {
		w := websocket.Dialer{Subprotocols: []string{"mqtt"}, TLSClientConfig: secure, NetDialContext: d.DialContext}
		scheme := "ws"
		if cfg.tls() {
			scheme = "wss"
		}
		c, answer, err := w.DialContext(ctx, scheme+"://"+cfg.addr()+cfg.path, nil)
		if err != nil {
			if answer != nil {
				return nil, fmt.Errorf("it answers %s to a WebSocket at %s", answer.Status, cfg.path)
			}
			return nil, err
		}
		return ws.New(c), nil
	}
	if cfg.tls() {
		return (&tls.Dialer{NetDialer: &d, Config: secure}).DialContext(ctx, "tcp", cfg.addr())
	}
	return d.DialContext(ctx, "tcp", cfg.addr())
}

func tlsConfig(cfg *linkConfig) (*tls.Config, error) {
	if !cfg.tls() {
		return nil, nil
	}
	out := &tls.Config{ServerName: cfg.host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.anyCertificate}
	if cfg.ca != "" {
		pem, err := os.ReadFile(cfg.ca)
		if err != nil {
			return nil, fileError{"CAFile cannot be read: " + err.Error()}
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fileError{"CAFile " + cfg.ca + " holds no certificate in PEM"}
		}
	}
	if cfg.cert != "" {
		pair, err := tls.LoadX509KeyPair(cfg.cert, cfg.key)
		if err != nil {
			return nil, fileError{"CertificateFile and KeyFile cannot be used: " + err.Error()}
		}
		out.Certificates = []tls.Certificate{pair}
	}
	return out, nil
}

// explain says why there is no connection, and what to do.
func explain(cfg *linkConfig, err error) string {
	addr := cfg.addr()
	var file fileError
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var remote *net.OpError
	var network net.Error
	switch {
	case errors.As(err, &file):
		return file.text
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return addr + " refuses the user: check UserName and Password, and what the broker's accounts say of the client id " + cfg.clientID
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return addr + " refuses the client id " + cfg.clientID
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return addr + " says that it is not available"
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return addr + " does not speak MQTT 3.1.1"
	case errors.As(err, &dns):
		return "there is no address of the host " + cfg.host + ": check Host, and the name server"
	case errors.As(err, &unknown):
		return addr + " shows a certificate of an authority that is not trusted: write the file of the authority as CAFile"
	case errors.As(err, &host):
		return addr + " shows a certificate of another name: " + host.Error()
	case errors.As(err, &invalid):
		return addr + " shows a certificate that is not valid: " + invalid.Error()
	case errors.As(err, &record):
		return addr + " does not speak TLS: check Port and Transport"
	case errors.As(err, &remote) && remote.Op == "remote error": // what the broker says before it closes
		return addr + " refuses the TLS connection (" + remote.Err.Error() + "): check CertificateFile"
	case errors.Is(err, syscall.ECONNREFUSED):
		return addr + " refuses connections: check that the broker runs, and Host and Port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return addr + " cannot be reached: check the network"
	case errors.Is(err, errNoAnswer), strings.Contains(err.Error(), "pingresp not received"):
		return addr + " does not answer any more"
	case errors.As(err, &network) && network.Timeout():
		return addr + " does not answer: check that it is an MQTT broker, and Port and Transport"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return addr + " closed the connection"
	}
	return addr + ": " + err.Error()
}
