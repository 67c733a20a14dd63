package modbus

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// scanTimeout is how long a probe waits unless somebody says something else. Units
// answer within this or not at all, but for slow ones behind slow gateways.
const scanTimeout = 300 * time.Millisecond

func scanUnits(last int32) command {
	return command{nodes.Command{
		ID: "ScanUnits", Kind: nodes.Query, Title: "Scan for units", Category: "Commissioning", SortKey: "1",
		Description: "Asks one unit id after the other for holding register 0, which changes nothing. Who answers, or refuses, is there; it is asked for its identification. " +
			"Every id without a unit takes the time-out, during which nothing else is read on the line; in between polling goes on.",
		Params: append(scanRange(last), nodes.Param{ID: "Identify", Label: "Identify", Kind: nodes.KindBool, Default: nodes.Bool(true),
			Description: "Ask units that answer who they are, with functions 43 and 17."}),
	}, runScanUnits}
}

func scanRange(last int32) []nodes.Param {
	id := func(id, label string, def int32) nodes.Param {
		return nodes.Param{ID: id, Label: label, Kind: nodes.KindInt32, Default: nodes.Int32(def), Min: nodes.Int32(0), Max: nodes.Int32(255), Description: label + " to ask, 1 to 247; devices with their own TCP port often take 0 or 255."}
	}
	return []nodes.Param{id("From", "First unit id", 1), id("To", "Last unit id", min(last, 247)),
		{ID: "Timeout", Label: "Time-out", Kind: nodes.KindDuration, Default: nodes.Duration(0, scanTimeout),
			Min: nodes.Duration(0, 10*time.Millisecond), Max: nodes.Duration(0, 10*time.Second), Description: "How long to wait for each unit."}}
}

// found is what a probe found.
type found struct {
	how   string // empty: nobody
	took  time.Duration
	doubt bool // something answered that is no sound answer
}

// probe asks a unit for holding register 0. Only errors that concern the whole scan
// are returned.
func probe(ctx context.Context, l *line, c *call) (found, error) {
	read := wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 1}
	err := l.read(c, read)
	f := found{took: c.answered.Sub(c.sent)}
	var refused wire.Exception
	var silent *silentError
	var wrong *answerError
	var damaged *damagedError
	var broken *brokenError
	switch {
	case err == nil:
		f.how = fmt.Sprintf("holding register 0 = %d", registers(c.data)[0])
	case ctx.Err() != nil:
		return f, ctx.Err()
	case errors.As(err, &refused) && !answeredBy(refused), errors.As(err, &silent), errors.As(err, &broken):
		// nobody, or a gateway that closes the connection for units that it does not know
	case errors.As(err, &refused):
		f.how = "refuses: " + refused.Error()
	case errors.As(err, &wrong), errors.As(err, &damaged):
		f.how, f.doubt = err.Error(), true
	default:
		return f, err
	}
	return f, nil
}

// answeredBy tells whether an exception comes from the unit itself, not from a
// gateway before it.
func answeredBy(e wire.Exception) bool {
	return e != wire.PathUnavailable && e != wire.TargetNotResponded
}

func runScanUnits(ctx context.Context, d *device, node string, p nodes.Params, r *report) error {
	from, to := p.Int("From"), p.Int("To")
	if from > to {
		return wrongParam("scan", node, "To", "is below From: write them the other way round")
	}
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	nodesOf := make(map[byte][]string) // by unit id
	for _, u := range v.view.units {
		nodesOf[u.cfg.id] = append(nodesOf[u.cfg.id], u.id)
	}
	r.tell(nodes.QueryTitle("Units on " + v.line.addr))
	if r.table("units", "Units", ">UnitId|Unit", "Answer", ">Time|Response time", "Identification", "Node") != nil {
		return r.err
	}
	n := 0
	for id := from; id <= to; id++ {
		if r.status("unit %d of %d to %d, %d found", id, from, to, n) != nil {
			return r.err
		}
		c := &call{ctx: v.ctx, timeout: p.Span("Timeout"), unit: byte(id), tap: d.tap, pause: v.view.cfg.pause, settle: v.view.cfg.settle, priority: reading}
		if id == 0 && v.line.ep.kind != kindTCP {
			continue // all units: none answers
		}
		f, err := probe(v.ctx, v.line, c)
		if err != nil {
			return scanFailed(node, id, err)
		}
		if f.how == "" {
			continue
		}
		n++
		who := ""
		if p.Bool("Identify") && !f.doubt {
			who, err = shortIdentity(v.line, c)
			if err != nil {
				return scanFailed(node, id, err)
			}
		}
		if f.doubt {
			f.how += "; perhaps two units have this id"
		}
		if r.row("units", count(id), nodes.String(f.how), millis(f.took), text(who), text(strings.Join(nodesOf[byte(id)], ", "))) != nil {
			return r.err
		}
	}
	r.tell(nodes.TableEnd("units"))
	switch {
	case n == 0:
		r.remark(nodes.SeverityWarning, "No unit answered. Check power, wiring and the line's settings, or scan with a longer Timeout.")
	default:
		r.remark(nodes.SeverityInformation, "%d of %d unit ids answered.", n, to-from+1)
	}
	return r.err
}

func scanFailed(node string, id int, err error) error {
	return &nodes.Error{Op: "scan", Ref: nodes.In(node), Kind: kindOf(err), Err: fmt.Errorf("at unit %d: %w", id, err)}
}

func millis(d time.Duration) nodes.Value {
	return nodes.Quantity(math.Round(float64(d)/1e4)/100, 2, "ms")
}
