package owner

import (
	"context"
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// maxRecords is how many records an answer has at most.
const maxRecords = 100

// audit answers with some records; who wants more asks for those after the last.
func (s *Server) audit(rq *ext.Request) ([]byte, error) {
	p := rq.Payload
	q := nodes.AuditQuery{JID: p.Attr("jid"), Node: p.Attr("node"), Most: maxRecords}
	var err error
	if text := p.Attr("after"); text != "" {
		if q.After, err = strconv.ParseUint(text, 10, 64); err != nil {
			return nil, nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, "after must be the number of a record")
		}
	}
	if text := p.Attr("since"); text != "" {
		var ok bool
		if q.Since, ok = wire.ParseDateTime(text); !ok {
			return nil, nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, "since must be a time, such as 2026-01-31T12:00:00Z")
		}
	}
	list, err := s.backend.Audit(rq.Caller, q)
	if err != nil {
		return nil, told(err)
	}
	b := []byte("<audit xmlns='" + NS + "'>")
	for i := range list {
		b = appendRecord(b, &list[i])
	}
	return append(b, "</audit>"...), nil
}

func appendRecord(b []byte, r *nodes.Record) []byte {
	b = wire.AppendAttr(append(b, "<record"...), "number", strconv.FormatUint(r.Number, 10))
	b = wire.AppendAttr(b, "time", string(wire.AppendDateTime(nil, r.Time)))
	b = wire.AppendOptional(b, "jid", r.JID)
	b = wire.AppendOptional(b, "way", string(r.Way))
	b = wire.AppendAttr(b, "action", r.Action)
	b = wire.AppendOptional(b, "id", r.Ref.ID)
	b = wire.AppendOptional(b, "src", r.Ref.Source)
	b = wire.AppendOptional(b, "what", r.What)
	b = wire.AppendOptional(b, "before", r.Before)
	b = wire.AppendOptional(b, "after", r.After)
	b = wire.AppendAttr(b, "outcome", r.Outcome)
	return append(b, "/>"...)
}

// Audit calls f for the records that q asks for, oldest first, until it returns false.
// Most is how many at most; 0: all.
func (c *Client) Audit(ctx context.Context, q nodes.AuditQuery, f func(nodes.Record) bool) error {
	for told := 0; ; {
		b := wire.AppendAttr([]byte("<audit xmlns='"+NS+"'"), "after", strconv.FormatUint(q.After, 10))
		if !q.Since.IsZero() {
			b = wire.AppendAttr(b, "since", string(wire.AppendDateTime(nil, q.Since)))
		}
		b = wire.AppendOptional(b, "jid", q.JID)
		b = wire.AppendOptional(b, "node", q.Node)
		e, err := c.ask(ctx, "get", append(b, "/>"...), "audit")
		if err != nil {
			return err
		}
		for _, x := range e.Children {
			r := record(x)
			if r.Number <= q.After {
				return nil // it goes round in circles
			}
			q.After = r.Number
			if told++; !f(r) || told == q.Most {
				return nil
			}
		}
		if len(e.Children) == 0 {
			return nil
		}
	}
}

func record(e *wire.Element) nodes.Record {
	n, _ := strconv.ParseUint(e.Attr("number"), 10, 64)
	at, _ := wire.ParseDateTime(e.Attr("time"))
	return nodes.Record{Number: n, Time: at.In(time.UTC), JID: e.Attr("jid"), Way: nodes.Way(e.Attr("way")), Action: e.Attr("action"),
		Ref: nodes.Ref{Source: e.Attr("src"), ID: e.Attr("id")}, What: e.Attr("what"), Before: e.Attr("before"), After: e.Attr("after"), Outcome: e.Attr("outcome")}
}
