package synchronization

import (
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The families of the namespace, canonical first.
const (
	NSNFI  = "urn:nfi:iot:synchronization:1.0"
	NSNF   = "urn:nf:iot:synchronization:1.0"
	NSIEEE = "urn:ieee:iot:synchronization:1.0"
)

// layout has 100 ns, the finest that deployed clients read.
const layout = "2006-01-02T15:04:05.0000000Z"

// frequency is how often per second the high-resolution timer counts.
const frequency = int64(time.Second)

type server struct {
	source  string
	now     func() time.Time
	started time.Time
}

// New makes the extension that answers with the time. source is the address of the
// clock that this one is measured against; empty: none.
func New(source string) ext.Extension { return &server{source, time.Now, time.Now()} }

// Spaces returns the three families.
func (*server) Spaces() []string { return []string{NSNFI, NSNF, NSIEEE} }

// Serve answers.
func (s *server) Serve(r *ext.Request) {
	switch {
	case r.Type != "get":
		r.Fail(nodes.Errorf(nodes.Unsupported, "synchronize", nodes.Ref{}, "the time is asked for by get"))
	case r.Payload.Name.Local == "req":
		now := s.now()
		b := append([]byte("<resp xmlns='"), r.Space()...)
		b = append(b, "' hf='"...)
		b = strconv.AppendInt(b, int64(now.Sub(s.started)), 10)
		b = append(b, "' freq='"...)
		b = strconv.AppendInt(b, frequency, 10)
		b = append(b, "'>"...)
		b = now.UTC().AppendFormat(b, layout)
		r.Result(append(b, "</resp>"...))
	case r.Payload.Name.Local == "sourceReq" && s.source == "":
		r.Fail(nodes.Errorf(nodes.NotFound, "synchronize", nodes.Ref{}, "this clock is measured against no other; the operating system sets it"))
	case r.Payload.Name.Local == "sourceReq":
		b := append([]byte("<sourceResp xmlns='"), r.Space()...)
		b = wire.AppendText(append(b, "'>"...), s.source)
		r.Result(append(b, "</sourceResp>"...))
	default:
		r.Fail(nodes.Errorf(nodes.Unsupported, "synchronize", nodes.Ref{}, "only req and sourceReq"))
	}
}
