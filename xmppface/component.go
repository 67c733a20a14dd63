package xmppface

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp/jid"
)

// nsComponent is the namespace of stanzas between a server and its component.
const nsComponent = "jabber:component:accept"

// guarded refuses to show a component's traffic to the network: XEP-0114 knows no
// encryption, so it is for the same machine, or with TLS from the first byte.
func guarded(a *Account, conn net.Conn) error {
	at, ok := conn.RemoteAddr().(*net.TCPAddr)
	if a.TLS == DirectTLS || a.Insecure || ok && at.IP.IsLoopback() {
		return nil
	}
	return &Failure{Kind: NoTLS, Text: "a component's connection is not encrypted, and " + a.Server +
		" is not this machine: let the server listen on 127.0.0.1 here, or give it a port with TLS and write tls: direct"}
}

// handshake opens the stream of a component and proves that it knows the secret
// (XEP-0114, 3).
func handshake(ctx context.Context, conn net.Conn, a *Account, self jid.JID, b *binding) (*stream.Conn, error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c := stream.NewConn(conn)
	out := wire.AppendAttr([]byte("<?xml version='1.0'?><stream:stream xmlns='"+nsComponent+"' xmlns:stream='"+stream.NS+"'"), "to", self.String())
	if _, err := c.Write(append(out, '>')); err != nil {
		return nil, err
	}
	d := xml.NewDecoder(c)
	start, err := opened(d)
	if err != nil {
		return nil, err
	}
	id := ""
	for _, attr := range start.Attr {
		if attr.Name == (xml.Name{Local: "id"}) {
			id = attr.Value
		}
	}
	sum := sha1.Sum([]byte(id + a.Password))
	if _, err := io.WriteString(c, "<handshake>"+hex.EncodeToString(sum[:])+"</handshake>"); err != nil {
		return nil, err
	}
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			e, err := wire.ReadElement(d, t)
			switch {
			case err != nil:
				return nil, err
			case e.Name.Space == stream.NS && e.Name.Local == "error":
				return nil, rejected(e, self.String())
			case e.Name.Local != "handshake":
				return nil, fmt.Errorf("component: unexpected <%s/>", e.Name.Local)
			}
			full, err := self.WithResource(b.resource)
			if err != nil {
				return nil, err
			}
			b.full = full.String()
			if !stop() {
				return nil, ctx.Err()
			}
			return c, nil
		case xml.EndElement:
			return nil, io.ErrUnexpectedEOF
		}
	}
}

// opened reads up to the opening tag of a stream.
func opened(d *xml.Decoder) (xml.StartElement, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			if start.Name.Space != stream.NS || start.Name.Local != "stream" {
				return start, errors.New("component: the server does not open a stream")
			}
			return start, nil
		}
	}
}

// rejected explains what a server has against a component.
func rejected(e *wire.Element, domain string) error {
	err := stream.ParseError(e)
	switch err.Condition {
	case "not-authorized":
		return &Failure{Kind: WrongPassword, Err: err, Text: "the server does not accept the secret of the component " + domain + ": write the one of the server's settings to password_file"}
	case "host-unknown":
		return &Failure{Kind: WrongDomain, Err: err, Text: "the server has no component " + domain + ": add it to the server's settings, with its secret"}
	}
	return err
}
