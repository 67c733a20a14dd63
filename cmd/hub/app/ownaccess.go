package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
)

const (
	acceptPresence = "AcceptPresence"
	refusePresence = "RefusePresence"
	listRequests   = "ListRequests"
	auditQuery     = "Audit"
	// auditPage is how many records are looked at at a time.
	auditPage = 500
	// auditRows is how many records a query shows, the newest, when nothing is said.
	auditRows = 200
)

// accessPart is who may do what, who asks to, and who did.
func (h *hub) accessPart() *ownPart {
	p := newOwnPart("access", "Access", func(now time.Time) ([]nodes.Field, []nodes.Message) {
		f := fields{now: now}
		var messages []nodes.Message
		for _, way := range []nodes.Way{nodes.WayBroker, nodes.WayLocal} {
			f.add(nodes.Status, "Addresses with access, "+string(way), nodes.Int32(int32(len(h.access.People(way)))))
		}
		var names []string
		for _, x := range h.requests.all() {
			if x.Decision == waiting {
				names = append(names, x.JID)
			}
		}
		f.add(nodes.Status, "Presence requests", nodes.Int32(int32(len(names))))
		if n := len(names); n > 0 {
			const most = 5
			text := strings.Join(names[:min(n, most)], ", ")
			if n > most {
				text += fmt.Sprintf(" and %d more", n-most)
			}
			messages = append(messages, nodes.Message{Time: now, Severity: nodes.SeverityInformation, EventID: "Requests",
				Text: text + ": without access, and asking to see the hub's presence. Give access in hub.yaml, or decide with " + acceptPresence + " and " + refusePresence + "."})
		}
		return f.list, messages
	})
	who := nodes.Param{ID: "JID", Label: "Address", Kind: nodes.KindString, Required: true, Pattern: `[^/\s]+`, Description: "Whose, name@domain."}
	p.commands = []nodes.Command{
		{ID: acceptPresence, Kind: nodes.Parametrized, Title: "Accept a presence request", Category: "Access", SortKey: "1", Rights: nodes.Administer, Params: []nodes.Param{who},
			Description: "Shows somebody on the broker that the hub is online. It gives no rights: those are rules below access in hub.yaml.",
			Success:     "The request is accepted, which gives no rights: those are rules below access in hub.yaml. \"hub access explain\" tells them.", Failure: "The request was not accepted."},
		{ID: refusePresence, Kind: nodes.Parametrized, Title: "Refuse a presence request", Category: "Access", SortKey: "2", Rights: nodes.Administer, Params: []nodes.Param{who},
			Description: "Refuses somebody on the broker the hub's presence, or takes it away. So are further requests, for 30 days.",
			Success:     "The request is refused.", Failure: "The request was not refused."},
		{ID: listRequests, Kind: nodes.Query, Title: "Presence requests", Category: "Access", SortKey: "3", Rights: nodes.Administer,
			Description: "Who without access asks to see the hub's presence, and what was decided."},
		{ID: auditQuery, Kind: nodes.Query, Title: "Audit", Category: "Access", SortKey: "4", Rights: nodes.Administer,
			Description: "Who did what, by which way in, and what became of it.",
			Params: []nodes.Param{
				{ID: "From", Label: "From", Kind: nodes.KindDateTime, Description: "Not older. Left empty, from the beginning."},
				{ID: "To", Label: "To", Kind: nodes.KindDateTime, Description: "Not newer. Left empty, until now."},
				{ID: "Who", Label: "Who", Kind: nodes.KindString, Description: "Only of addresses that contain this."},
				{ID: "Node", Label: "Node", Kind: nodes.KindString, Description: "Only about this node and those below it."},
				{ID: "Outcome", Label: "Outcome", Kind: nodes.KindString, Description: "Only those whose outcome contains this, such as done."},
				{ID: "Count", Label: "Count", Kind: nodes.KindInt32, Default: nodes.Int32(auditRows), Min: nodes.Int32(1), Max: nodes.Int32(5000), Description: "So many at most, the newest."},
			}},
	}
	p.run = func(_ context.Context, command string, params nodes.Params) error {
		bare, full, err := xmppface.Normalize(params.Text("JID"))
		switch {
		case err != nil || bare != full || !strings.Contains(bare, "@"):
			return fmt.Errorf("%q is no address of somebody: write name@domain", params.Text("JID"))
		case h.face(nodes.WayBroker) == nil:
			return errors.New("this hub has no account on a broker; write one below xmpp in its configuration")
		}
		return h.decide(bare, command == acceptPresence)
	}
	p.query = func(_ context.Context, command string, params nodes.Params, put nodes.Put) error {
		if command == listRequests {
			return h.tellRequests(put)
		}
		return h.tellAudit(params, put)
	}
	return p
}

// decide takes note of a decision and tells the broker, at the latest at the next login.
func (h *hub) decide(bare string, accept bool) error {
	if !accept {
		if err := h.requests.decide(bare, rejected); err != nil {
			return err
		}
		h.refuse(bare)
		return nil
	}
	if err := h.requests.decide(bare, accepted); err != nil {
		return err
	}
	if session := h.face(nodes.WayBroker).Session(); session != nil {
		session.Accept(bare)
	}
	return nil
}

// refuse refuses somebody on the broker our presence, when we are online.
func (h *hub) refuse(bare string) {
	if f := h.face(nodes.WayBroker); f != nil && f.Session() != nil {
		f.Session().Refuse(bare)
	}
}

func (h *hub) tellRequests(put nodes.Put) error {
	const table = "requests"
	if err := put(nodes.Table{ID: table, Name: "Presence requests", Columns: []nodes.Column{{ID: "Address"}, {ID: "Since"}, {ID: "Decision"}}}); err != nil {
		return err
	}
	list := h.requests.all()
	for _, x := range list {
		row := []nodes.Value{nodes.String(x.JID), nodes.DateTime(x.Since), nodes.String(string(x.Decision))}
		if err := put(nodes.Rows{Table: table, Rows: [][]nodes.Value{row}}); err != nil {
			return err
		}
	}
	return put(nodes.TableEnd(table))
}

// tellAudit shows the newest records that are asked for, oldest first.
func (h *hub) tellAudit(p nodes.Params, put nodes.Put) error {
	const table = "audit"
	q := nodes.AuditQuery{Since: p["From"].Time(), JID: p.Text("Who"), Node: p.Text("Node"), Most: auditPage}
	to, outcome, most := p["To"].Time(), p.Text("Outcome"), p.Int("Count")
	if most <= 0 {
		most = auditRows
	}
	var rows [][]nodes.Value
	seen := 0
	for {
		page := h.audit.list(q)
		for _, r := range page {
			q.After = r.Number
			if !to.IsZero() && r.Time.After(to) || !strings.Contains(r.Outcome, outcome) {
				continue
			}
			if seen++; len(rows) == most {
				rows = append(rows[:0], rows[1:]...)
			}
			rows = append(rows, []nodes.Value{nodes.DateTime(r.Time), nodes.String(r.JID), nodes.String(string(r.Way)), nodes.String(r.Action),
				nodes.String(r.Ref.ID), nodes.String(r.What), nodes.String(r.Before), nodes.String(r.After), nodes.String(r.Outcome)})
		}
		if len(page) < auditPage {
			break
		}
	}
	err := put(nodes.Table{ID: table, Name: "Audit", Columns: []nodes.Column{{ID: "Time"}, {ID: "Who"}, {ID: "Way"}, {ID: "Action"},
		{ID: "Node"}, {ID: "What"}, {ID: "Before"}, {ID: "After"}, {ID: "Outcome"}}})
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		n := min(len(rows), 100)
		if err := put(nodes.Rows{Table: table, Rows: rows[:n]}); err != nil {
			return err
		}
		rows = rows[n:]
	}
	if err := put(nodes.TableEnd(table)); err != nil {
		return err
	}
	text := fmt.Sprintf("Records: %d.", seen)
	if seen > most {
		text = fmt.Sprintf("Records: %d, of which the newest %d are shown; ask for more with Count, or for a shorter time with From and To.", seen, most)
	}
	return put(nodes.Remark{Text: text})
}
