package datasources

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// done is the outcome of what was done.
const done = "done"

// note hands an entry to the audit.
func (c *Catalog) note(who nodes.Caller, action string, ref nodes.Ref, what, before, after string, err error) {
	if c.Audit == nil {
		return
	}
	outcome := done
	if err != nil {
		outcome = reason(err)
	}
	c.noteOutcome(who, action, ref, what, before, after, outcome)
}

func (c *Catalog) noteOutcome(who nodes.Caller, action string, ref nodes.Ref, what, before, after, outcome string) {
	if c.Audit == nil || who.Way == nodes.WaySystem {
		return
	}
	c.Audit(nodes.Record{Time: time.Now(), JID: cmp.Or(who.Full, who.JID), Way: who.Way, Action: action, Ref: nodes.Ref{Source: ref.Source, ID: clip(ref.ID)},
		What: clip(what), Before: clip(before), After: clip(after), Outcome: outcome})
}

// Refusals are noted once a minute for the same person, wish and node, and at most so
// many in a minute in all: whoever is refused must not be able to push out the audit.
const (
	refusalPause = time.Minute
	maxRefusals  = 100
)

// refusals are those of the last minute.
type refusals struct {
	mu    sync.Mutex
	since time.Time
	seen  map[refusal]bool
}

type refusal struct {
	who nodes.Caller
	op  string
	ref nodes.Ref
}

// news tells whether a refusal is to be noted.
func (r *refusals) news(x refusal, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.since); r.seen == nil || age < 0 || age > refusalPause {
		r.since, r.seen = now, make(map[refusal]bool)
	}
	if r.seen[x] || len(r.seen) >= maxRefusals {
		return false
	}
	r.seen[x] = true
	return true
}

// refused notes that somebody may not do what he wished.
func (c *Catalog) refused(who nodes.Caller, op string, ref nodes.Ref, outcome string) {
	if c.Audit == nil {
		return
	}
	x := refusal{nodes.Caller{JID: who.JID, Way: who.Way}, op, nodes.Ref{Source: clip(ref.Source), ID: clip(ref.ID)}}
	if c.refusals.news(x, time.Now()) {
		c.noteOutcome(who, "refused", ref, op, "", "", outcome)
	}
}

// auditSet notes who set what: each value by itself, with the one that was there.
func (c *Catalog) auditSet(who nodes.Caller, list []nodes.Assignment, before []string, out []nodes.Outcome, err error) {
	if c.Audit == nil {
		return
	}
	const most = 100
	for i, a := range list[:min(len(list), most)] {
		outcome := ""
		switch {
		case err != nil && (nodes.KindOf(err) == nodes.Forbidden || nodes.KindOf(err) == nodes.NotFound):
			return // noted as refused
		case err != nil:
			outcome = "not tried: " + reason(err)
		case i < len(out):
			outcome = out[i].State.String()
			if out[i].Err != nil && out[i].State != nodes.WriteSkipped {
				outcome += ": " + reason(out[i].Err)
			}
		}
		c.noteOutcome(who, "set", a.Ref, a.Name, before[i], c.loggable(who, &a), outcome)
	}
}

// present are the values that are shown now where somebody wants to set others.
func (c *Catalog) present(who nodes.Caller, list []nodes.Assignment) []string {
	out := make([]string, len(list))
	if c.Audit == nil {
		return out
	}
	for i, a := range list {
		t, err := c.node(nodes.System, "set", a.Ref, 0)
		if err != nil || c.loggable(who, &a) == hidden {
			continue
		}
		r, _, _ := t.Current(a.Ref.ID)
		if k := slices.IndexFunc(r.Fields, func(f nodes.Field) bool { return f.Name == a.Name }); k >= 0 {
			out[i] = r.Fields[k].Value.String()
		}
	}
	return out
}

// auditEdit notes each parameter that was changed, secrets without their values.
func (c *Catalog) auditEdit(who nodes.Caller, ref nodes.Ref, typ *nodes.Type, before, after nodes.Params) {
	if c.Audit == nil {
		return
	}
	for i := range typ.Params {
		p := &typ.Params[i]
		old, now := before[p.ID], after[p.ID]
		switch {
		case old == now:
		case p.Secret:
			c.note(who, "edit", ref, p.ID, hidden, hidden, nil)
		default:
			c.note(who, "edit", ref, p.ID, old.String(), now.String(), nil)
		}
	}
}
