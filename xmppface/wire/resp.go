package wire

import (
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Responses writes readings as resp elements of bounded size. The zero value needs
// Space, ID, Max and Send. It is used by one goroutine.
type Responses struct {
	Space string // sensor data namespace
	ID    string // of the request or subscription
	// Max is how many bytes a resp may have. One field that is longer goes alone in
	// one of up to MaxResponse.
	Max int
	// Bare puts ts elements into the resp, without nd: the readings of a hub that was
	// asked for no node.
	Bare bool
	// Send is called with each resp; its slice is the receiver's. After it has
	// returned an error nothing more is written.
	Send func(payload []byte) error

	body []byte
	err  error
}

// MaxResponse is how many bytes a resp has at most, whatever it holds: servers
// refuse stanzas of more than 256 KiB.
const MaxResponse = 252 << 10

const (
	endND   = "</nd>"
	endResp = "</resp>"
)

// tail is what follows a body.
const tail = len(endND) + len(endResp)

// Add adds what was read of a node: fields, and the text of a failure unless it is
// empty, with the time at. When they do not fit they are divided; the resp
// elements that are full are sent, each saying that there is more.
func (w *Responses) Add(ref nodes.Ref, fields []nodes.Field, failure string, at time.Time) error {
	fields = Grouped(fields)
	max := w.Max - w.head() - tail
	for w.err == nil {
		before := len(w.body)
		w.body = w.open(w.body, ref)
		begun := len(w.body)
		var n int
		w.body, n = AppendFields(w.body, fields, max)
		if fields = fields[n:]; len(fields) == 0 && failure != "" {
			written := len(w.body)
			if w.body = AppendFailure(w.body, failure, at); len(w.body) <= max || written == 0 || before == 0 && written == begun {
				failure = ""
			} else {
				w.body = w.body[:written]
			}
		}
		if before == 0 && len(w.body) == begun && len(fields) > 0 {
			w.body = w.alone(w.body, fields[:1])
			fields = fields[1:]
		}
		switch {
		case len(fields) == 0 && failure == "" && (before == 0 || len(w.body) <= max):
			w.body = w.close(w.body)
			return nil
		case len(w.body) == begun:
			w.body = w.body[:before] // nothing of the node fits
		default:
			w.body = w.close(w.body)
		}
		w.Flush(true)
	}
	return w.err
}

// alone appends a field that is longer than a whole resp should be.
func (w *Responses) alone(b []byte, one []nodes.Field) []byte {
	was := len(b)
	b, n := AppendFields(b, one, MaxResponse-w.head()-tail)
	if n == 0 {
		name := one[0].Name[:min(len(one[0].Name), 64)]
		b = AppendFailure(b[:was], "the value of "+name+" is too long to be sent", one[0].Time)
	}
	return b
}

// Empty tells whether nothing waits to be sent.
func (w *Responses) Empty() bool { return len(w.body) == 0 }

// Flush sends what was added. Without more it is the last one, and sent even when
// it is empty.
func (w *Responses) Flush(more bool) error {
	if w.err != nil || more && len(w.body) == 0 {
		return w.err
	}
	b := make([]byte, 0, w.head()+len(w.body)+len(endResp))
	w.err = w.Send(AppendResponse(b, w.Space, w.ID, more, w.body))
	w.body = w.body[:0]
	return w.err
}

// AppendResponse appends a resp element with a body of nd or ts elements.
func AppendResponse(b []byte, space, id string, more bool, body []byte) []byte {
	b = AppendAttr(append(b, "<resp"...), "xmlns", space)
	b = AppendFlag(AppendAttr(b, "id", id), "more", more)
	if len(body) == 0 {
		return append(b, "/>"...)
	}
	b = append(append(b, '>'), body...)
	return append(b, endResp...)
}

func (w *Responses) head() int { return 64 + len(w.Space) + 6*len(w.ID) }

func (w *Responses) open(b []byte, ref nodes.Ref) []byte {
	if w.Bare {
		return b
	}
	return append(AppendRef(append(b, "<nd"...), ref), '>')
}

func (w *Responses) close(b []byte) []byte {
	if w.Bare {
		return b
	}
	return append(b, endND...)
}

// EachReading calls f for each nd element of a resp; for its own ts elements,
// if there are any, with an empty reference.
func (e *Element) EachReading(f func(ref nodes.Ref, fields []nodes.Field, failures []Failure)) {
	bare := false
	for _, c := range e.Children {
		switch c.Name.Local {
		case "nd":
			if ref, ok := c.Ref(); ok {
				fields, failures := c.Fields()
				f(ref, fields, failures)
			}
		case "ts":
			bare = true
		}
	}
	if bare {
		fields, failures := e.Fields()
		f(nodes.Ref{}, fields, failures)
	}
}
