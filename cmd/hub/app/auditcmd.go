package app

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldhub/hub/nodes"
)

type auditCmd struct {
	Node  string        `arg:"" optional:"" help:"Id of a node: only what concerns it and what is below it."`
	Since time.Duration `help:"How far back." default:"24h" placeholder:"24h"`
	Who   string        `help:"Only what was done by addresses that contain this." placeholder:"JID"`
	N     int           `help:"So many at most, the first ones; 0: all." short:"n"`
}

// auditLine is a record in JSON.
type auditLine struct {
	Number  uint64 `json:"number"`
	Time    string `json:"time"`
	JID     string `json:"jid,omitempty"`
	Way     string `json:"way,omitempty"`
	Action  string `json:"action"`
	Source  string `json:"source,omitempty"`
	Node    string `json:"node,omitempty"`
	What    string `json:"what,omitempty"`
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
	Outcome string `json:"outcome"`
}

func (c *auditCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		q := nodes.AuditQuery{Since: time.Now().Add(-c.Since), JID: c.Who, Node: c.Node, Most: c.N}
		var t table
		if !p.options.JSON {
			t = newTable(p.out, "TIME", "WHO", "ACTION", "NODE", "WHAT", "CHANGE", "OUTCOME")
		}
		var failed error
		err := s.owner.Audit(ctx, q, func(r nodes.Record) bool {
			if p.options.JSON {
				failed = line(p.out, auditLine{r.Number, r.Time.UTC().Format(timeFormat), r.JID, string(r.Way), r.Action, r.Ref.Source, r.Ref.ID, r.What, r.Before, r.After, r.Outcome})
				return failed == nil
			}
			change := ""
			if r.Before != "" || r.After != "" {
				change = fmt.Sprintf("%s → %s", r.Before, r.After)
			}
			who := r.JID
			if r.Way != "" {
				who += " (" + string(r.Way) + ")"
			}
			t.row(r.Time.Local().Format("2006-01-02 15:04:05"), who, r.Action, r.Ref.ID, r.What, change, r.Outcome)
			return true
		})
		if err != nil {
			return err
		}
		if p.options.JSON {
			return failed
		}
		return t.end()
	})
}
