package interfaces

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The namespaces, canonical first. The last is older, with other elements.
const (
	NSNFI  = "urn:nfi:iot:hi:1.0"
	NSNF   = "urn:nf:iot:hi:1.0"
	NSIEEE = "urn:ieee:iot:hi:1.0"
	NSOld  = "urn:xmpp:iot:interoperability"
)

// MaxAnswer is how many bytes an answer may have; what does not fit is left out.
const MaxAnswer = 64 << 10

// Backend is what the server tells of, as the caller may see it. It does not block.
// Errors are [*nodes.Error]. Safe for concurrent use.
type Backend interface {
	// Interfaces returns what a node claims, and what it lacks.
	Interfaces(c nodes.Caller, ref nodes.Ref) ([]nodes.Claim, error)
}

type server struct{ backend Backend }

// New makes the extension that answers which interfaces nodes fulfil.
func New(b Backend) ext.Extension { return &server{b} }

// Spaces returns the three families and the older namespace.
func (*server) Spaces() []string { return []string{NSNFI, NSNF, NSIEEE, NSOld} }

// Serve answers.
func (s *server) Serve(r *ext.Request) {
	if r.Payload.Name.Local != "getInterfaces" || r.Type != "get" {
		r.Fail(nodes.Errorf(nodes.Unsupported, "", nodes.Ref{}, "only getInterfaces, by get"))
		return
	}
	claims, err := s.backend.Interfaces(r.Caller, refOf(r.Payload))
	if err != nil {
		r.Fail(err)
		return
	}
	r.Result(appendAnswer(nil, r.Space(), claims))
}

// refOf is the node that a request is about; none is the hub itself.
func refOf(e *wire.Element) nodes.Ref {
	ref, ok := e.Ref()
	if !ok && e.Name.Space == NSOld {
		ref = nodes.Ref{Source: e.Attr("sourceId"), Partition: e.Attr("cacheType"), ID: e.Attr("nodeId")}
	}
	if ref.ID == "" {
		return nodes.In(nodes.RootID)
	}
	return ref
}

func appendAnswer(b []byte, space string, claims []nodes.Claim) []byte {
	name, attr := "interfaces", "ref"
	if space == NSOld {
		name, attr = "getInterfacesResponse", "name"
	}
	b = append(wire.AppendAttr(append(append(b, '<'), name...), "xmlns", space), '>')
	for _, c := range claims {
		if c.Lacks != "" || len(b)+6*len(c.Interface) > MaxAnswer {
			continue
		}
		text := c.Interface
		if space == NSOld {
			text = oldName(text)
		}
		b = append(wire.AppendAttr(append(b, "<interface"...), attr, text), "/>"...)
	}
	return append(append(append(b, "</"...), name...), '>')
}

const (
	prefix    = "urn:nfi:iot:hi:"
	oldPrefix = "XMPP.IoT."
)

// oldName is the name that a published interface has in the older namespace, which
// has no versions. Others are as they are.
func oldName(ref string) string {
	rest, ours := strings.CutPrefix(ref, prefix)
	rest, version := strings.CutSuffix(rest, ":1.0")
	if !ours || !version {
		return ref
	}
	var b strings.Builder
	b.WriteString("XMPP.IoT")
	for part := range strings.SplitSeq(rest, ":") {
		first, size := utf8.DecodeRuneInString(part)
		b.WriteByte('.')
		if size > 0 {
			b.WriteRune(unicode.ToUpper(first))
		}
		b.WriteString(part[size:])
	}
	return b.String()
}

// newName is the reference of an interface of the older namespace.
func newName(name string) string {
	rest, ours := strings.CutPrefix(name, oldPrefix)
	if !ours || rest == "" {
		return name
	}
	var b strings.Builder
	b.WriteString(prefix)
	for part := range strings.SplitSeq(rest, ".") {
		first, size := utf8.DecodeRuneInString(part)
		if size > 0 {
			b.WriteRune(unicode.ToLower(first))
		}
		b.WriteString(part[size:])
		b.WriteByte(':')
	}
	return b.String() + "1.0"
}
