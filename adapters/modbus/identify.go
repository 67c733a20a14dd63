package modbus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func identifyUnit() command {
	return command{nodes.Command{
		ID: "Identify", Kind: nodes.Query, Title: "Identify", Category: "Commissioning", SortKey: "2", Rights: nodes.Read,
		Description: "Asks the unit who it is: its identification (function 43, type 14) and its server id (function 17). Many units know neither.",
	}, runIdentify}
}

// maxAnswers bounds an identification whose end never comes.
const maxAnswers = 100

// identity asks for the objects of a kind of identification and hands each over; it
// returns the most that the device says it has.
func identity(l *line, c *call, kind byte, take func(wire.IdentityObject)) (most byte, err error) {
	var from byte
	for range maxAnswers {
		data, err := l.do(c, wire.Encapsulated, wire.IdentifyRequest(kind, from))
		if err != nil {
			return most, err
		}
		id, err := wire.ParseIdentity(data)
		most = max(most, id.Kind)
		for _, o := range id.Objects {
			take(o)
		}
		switch {
		case err != nil:
			return most, &answerError{err}
		case !id.MoreFollow:
			return most, nil
		case id.Next <= from:
			return most, &answerError{fmt.Errorf("the identification goes in circles: object %d follows %d", id.Next, from)}
		}
		from = id.Next
	}
	return most, &answerError{fmt.Errorf("the identification has not ended after %d answers", maxAnswers)}
}

// shortIdentity names a unit in a few words, or returns "" when it does not say.
func shortIdentity(l *line, c *call) (string, error) {
	var words []string
	if _, err := identity(l, c, wire.Basic, func(o wire.IdentityObject) {
		if o.Text != "" && len(words) < 5 {
			words = append(words, o.Text)
		}
	}); fatal(c.ctx, err) {
		return "", err
	}
	if len(words) > 0 {
		return strings.Join(words, ", "), nil
	}
	data, err := l.do(c, wire.ReportServerID, nil)
	if fatal(c.ctx, err) {
		return "", err
	}
	if err == nil {
		if s, err := wire.ParseServerID(data); err == nil {
			return s.Text(), nil
		}
	}
	return "", nil
}

// fatal tells whether an error is more than that one request came to nothing.
func fatal(ctx context.Context, err error) bool {
	var down *downError
	return ctx.Err() != nil || errors.As(err, &down)
}

func runIdentify(ctx context.Context, d *device, node string, _ nodes.Params, r *report) error {
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	u := v.view.units[node]
	if u == nil {
		return nodes.Errorf(nodes.Gone, "identify", nodes.In(node), "the unit was removed")
	}
	where := fmt.Sprintf("%s, unit %d", v.line.addr, u.cfg.id)
	r.tell(nodes.QueryTitle("Identification of " + where))
	if r.table("identity", "Identification", "Source", "Name", "Value") != nil {
		return r.err
	}
	c := v.call(v.ctx, u, reading)
	var refused []string // what the unit does not say, and why
	failed := func(what string, err error) bool {
		var silent *silentError
		if errors.As(err, &silent) && len(refused) == 0 {
			refused = append(refused, what+": "+err.Error()) // some units are silent on what they do not know
			return false
		}
		if err != nil {
			refused = append(refused, what+": "+err.Error())
		}
		return fatal(v.ctx, err)
	}
	const objects, server = "function 43, type 14", "function 17"
	var seen []byte
	take := func(o wire.IdentityObject) {
		if !slices.Contains(seen, o.ID) {
			seen = append(seen, o.ID)
			r.row("identity", nodes.String(objects), nodes.String(wire.ObjectName(o.ID)), text(o.Text))
		}
	}
	began := time.Now()
	most, err := identity(v.line, c, wire.Basic, take)
	d.heard(node, objects, time.Since(began), err)
	if failed(objects, err) {
		return identifyFailed(node, where, err)
	}
	if err == nil && most > wire.Basic {
		if _, err := identity(v.line, c, min(most, wire.Extended), take); failed(objects+", all objects", err) {
			return identifyFailed(node, where, err)
		}
	}
	data, err := v.line.do(c, wire.ReportServerID, nil)
	if failed(server, err) {
		return identifyFailed(node, where, err)
	}
	if err == nil {
		s, err := wire.ParseServerID(data)
		if err != nil {
			refused = append(refused, server+": "+err.Error())
		} else {
			r.row("identity", nodes.String(server), nodes.String("server id"), text(s.Text()))
			if s.Known {
				r.row("identity", nodes.String(server), nodes.String("running"), nodes.Bool(s.Running))
			}
			if len(s.More) > 0 {
				r.row("identity", nodes.String(server), nodes.String("more"), text(wire.ServerID{ID: s.More}.Text()))
			}
		}
	}
	r.tell(nodes.TableEnd("identity"))
	for _, s := range refused {
		r.remark(nodes.SeverityInformation, "%s, %s", where, s)
	}
	return r.err
}

func identifyFailed(node, where string, err error) error {
	return &nodes.Error{Op: "identify", Ref: nodes.In(node), Kind: kindOf(err), Err: fmt.Errorf("%s: %w", where, err)}
}
