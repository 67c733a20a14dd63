package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
)

const reconnect = "Reconnect"

// connectionsPart is how the hub can be reached.
func (h *hub) connectionsPart() *ownPart {
	p := newOwnPart("connections", "Connections", func(now time.Time) ([]nodes.Field, []nodes.Message) {
		f := fields{now: now}
		var messages []nodes.Message
		f.add(nodes.Identity, "Local server", nodes.String(h.owner.Address))
		f.add(nodes.Identity, "Local fingerprint", nodes.String(h.owner.Fingerprint))
		for _, x := range []struct {
			way  nodes.Way
			name string
		}{{nodes.WayLocal, "Local"}, {nodes.WayBroker, "Broker"}} {
			face := h.face(x.way)
			if face == nil {
				continue
			}
			st := face.Status()
			if x.way == nodes.WayBroker {
				f.add(nodes.Identity, "Broker account", nodes.String(h.cfg.XMPP.JID))
			}
			messages = append(messages, connection(&f, x.way, x.name, st)...)
			if s := face.Session(); s != nil && x.way == nodes.WayBroker {
				if !h.cfg.XMPP.Component {
					f.add(nodes.Status, "Broker login bound", nodes.Bool(s.Bound()))
				}
				pace := s.Pace()
				if pace.Rate > 0 {
					f.add(nodes.Status, "Broker takes", nodes.Quantity(math.Round(pace.Rate), 0, "B/s"))
				}
				f.add(nodes.Status, "Broker limits", nodes.Bool(pace.Slow))
				if pace.Slow {
					messages = append(messages, nodes.Message{Time: now, Severity: nodes.SeverityWarning, EventID: "Pace",
						Text: fmt.Sprintf("The server takes %.0f bytes a second, less than there is to send: events are thinned out to the newest values. Raise its limit for this account (Prosody: limits, c2s, rate, or make the hub a component; ejabberd: shaper_rules, c2s_shaper).", pace.Rate)})
				}
			}
		}
		return f.list, messages
	})
	p.commands = []nodes.Command{{ID: reconnect, Kind: nodes.Simple, Title: "Reconnect", Category: "Hub", SortKey: "3",
		Description:  "Closes the connection to the broker and makes it anew, or tries at once where there is none. Whoever came by it is cut off for a moment.",
		Confirmation: "Close the connection to the broker and make it anew?",
		Success:      "The connection is made anew.", Failure: "The connection stays as it is."}}
	p.run = func(context.Context, string, nodes.Params) error {
		face := h.face(nodes.WayBroker)
		if face == nil {
			return errors.New("this hub has no account on a broker; write one below xmpp in its configuration")
		}
		select {
		case p.after <- face.Reconnect: // the answer may go by this connection
		default: // it is about to be
		}
		return nil
	}
	return p
}

// connection adds how a face is connected, and why it is not.
func connection(f *fields, way nodes.Way, name string, st xmppface.Status) []nodes.Message {
	f.add(nodes.Status, name+" connected", nodes.Bool(st.Online))
	if !st.Since.IsZero() {
		f.add(nodes.Status, name+" since", nodes.DateTime(st.Since))
	}
	if st.Online || st.Failure == nil {
		return nil
	}
	f.add(nodes.Status, name+" failure", nodes.String(string(st.Failure.Kind)))
	if !st.Retry.IsZero() {
		f.add(nodes.Status, name+" next attempt", nodes.DateTime(st.Retry))
	}
	return []nodes.Message{{Time: st.Since, Severity: nodes.SeverityError, EventID: "Connection " + string(way),
		Text: name + " is not connected: " + st.Failure.Text}}
}
