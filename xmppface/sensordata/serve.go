package sensordata

import (
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// envelope is what is left of a stanza's bytes for the iq or message itself.
const envelope = 512

// soon is how far ahead of the hub's clock a client's may be when it means now.
const soon = 2 * time.Second

// Serve handles a request.
func (s *Server) Serve(r *ext.Request) {
	var err error
	switch r.Payload.Name.Local {
	case "req":
		err = s.read(r)
	case "cancel":
		s.cancel(r)
	default:
		err = nodes.Errorf(nodes.Unsupported, "", nodes.Ref{}, "the hub does not serve "+ext.Clip(r.Payload.Name.Local)+"; there are req and cancel")
	}
	if err != nil {
		s.log.Debug("request refused", "from", r.Caller.Full, "way", r.Caller.Way, "operation", ext.Clip(r.Payload.Name.Local), "err", err)
		r.Fail(err)
	}
}

// read answers a req at once when it can, and starts a readout otherwise.
func (s *Server) read(r *ext.Request) error {
	q := new(request)
	if err := q.parse(r.Payload); err != nil {
		return err
	}
	if q.when.After(time.Now().Add(soon)) {
		return s.plan(r, q)
	}
	s.forget(r, q.id)
	a := answer{request: q, max: s.MaxStanza - envelope, all: make([]item, 0, len(q.ro.Refs))}
	a.b = wire.AppendAttr(append(make([]byte, 0, 1024), "<resp"...), "xmlns", r.Space())
	a.b = append(wire.AppendAttr(a.b, "id", q.id), '>')
	fresh, err := s.backend.Current(r.Caller, &q.ro, a.add)
	if err != nil {
		return err
	}
	if fresh && !a.long {
		r.Result(append(a.b, "</resp>"...))
		return nil
	}
	if !fresh {
		a.all = nil
	}
	return s.start(r, q, a.all)
}

// answer is a resp that is being written into the result.
type answer struct {
	*request
	b    []byte
	max  int
	long bool // it did not fit
	all  []item
}

func (a *answer) add(ref nodes.Ref, r nodes.Reading) {
	if a.all = append(a.all, item{ref, r}); a.long {
		return
	}
	if !a.bare {
		a.b = append(wire.AppendRef(append(a.b, "<nd"...), ref), '>')
	}
	fields := wire.Grouped(r.Fields)
	var n int
	a.b, n = wire.AppendFields(a.b, fields, a.max)
	if text := ext.Reason(r.Err); text != "" {
		a.b = wire.AppendFailure(a.b, text, time.Now())
	}
	if !a.bare {
		a.b = append(a.b, "</nd>"...)
	}
	a.long = n < len(fields) || len(a.b)+len("</resp>") > a.max
}
