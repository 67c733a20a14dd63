package modbus

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/serial"
	"github.com/fieldhub/hub/nodes"
)

func scanLine() command {
	return command{nodes.Command{
		ID: "ScanLine", Kind: nodes.Query, Title: "Scan for line settings", Category: "Commissioning", SortKey: "2",
		Description: "Asks for units with each baud rate and parity given. Wrong settings send noise to all units of the line. " +
			"Polling of the line stands still while the port is set to other settings, for two seconds at a time.",
		Confirmation: "Devices on the line get noise, and polling is held up, until this is over. Begin?",
		Params: append([]nodes.Param{
			{ID: "BaudRates", Label: "Baud rates", Kind: nodes.KindString, Default: nodes.String("9600, 19200, 38400, 57600, 115200"), Pattern: `\s*[0-9]+(\s*[,; ]\s*[0-9]+)*\s*`,
				Description: "Which to try, in this order."},
			{ID: "Parities", Label: "Parities", Kind: nodes.KindString, Default: nodes.String("even, none"), Pattern: `\s*[a-z]+(\s*[,; ]\s*[a-z]+)*\s*`,
				Description: "Which to try: even, none, odd, mark, space."},
		}, scanRange(20)...),
	}, runScanLine}
}

// slice is how long a scan keeps the line from others.
const slice = 2 * time.Second

func runScanLine(ctx context.Context, d *device, node string, p nodes.Params, r *report) error {
	from, to := max(1, p.Int("From")), p.Int("To")
	if from > to {
		return wrongParam("scan", node, "To", "is below From: write them the other way round")
	}
	v, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer v.leave()
	settings, err := lineSettings(v.view.cfg.endpoint.port, node, p)
	if err != nil {
		return err
	}
	r.tell(nodes.QueryTitle("Line settings of " + v.line.addr))
	if r.table("found", "Units", ">BaudRate|Baud rate", "Parity", ">UnitId|Unit", "Answer", ">Time|Response time") != nil {
		return r.err
	}
	n := 0
	for i, s := range settings {
		for id := from; id <= to; {
			if r.status("%d baud, parity %s (%d of %d), unit %d of %d to %d, %d found", s.Baud, serial.ParityNames[s.Parity], i+1, len(settings), id, from, to, n) != nil {
				return r.err
			}
			list, next, err := v.probeWith(s, id, to, p.Span("Timeout"))
			if err != nil {
				return scanFailed(node, next, err)
			}
			for _, x := range list {
				n++
				if r.row("found", count(s.Baud), nodes.String(serial.ParityNames[s.Parity]), count(x.id), nodes.String(x.how), millis(x.took)) != nil {
					return r.err
				}
			}
			id = next
		}
	}
	r.tell(nodes.TableEnd("found"))
	if n == 0 {
		r.remark(nodes.SeverityWarning, "No unit answered with any of %d settings. Check power and wiring, whether A and B are swapped, and the range of unit ids; or scan with a longer Timeout.", len(settings))
	} else {
		r.remark(nodes.SeverityInformation, "Set BaudRate and Parity of the line to those of the units; all units of a line have the same.")
	}
	return r.err
}

// lineSettings combines the lists of the parameters with the line's other settings.
func lineSettings(port serial.Settings, node string, p nodes.Params) ([]serial.Settings, error) {
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",; ", r) })
	}
	var out []serial.Settings
	for _, name := range split(p.Text("Parities")) {
		parity := -1
		for i, known := range serial.ParityNames {
			if name == known {
				parity = i
			}
		}
		if parity < 0 {
			return nil, wrongParam("scan", node, "Parities", fmt.Sprintf("%q is unknown: write even, none, odd, mark or space", clip(name)))
		}
		for _, rate := range split(p.Text("BaudRates")) {
			s := port
			fmt.Sscan(rate, &s.Baud)
			if s.Baud < 50 || s.Baud > 4000000 {
				return nil, wrongParam("scan", node, "BaudRates", rate+" is out of range: write 50 to 4000000")
			}
			s.Parity = serial.Parity(parity)
			out = append(out, s)
		}
	}
	if len(out) == 0 || len(out) > 100 {
		return nil, wrongParam("scan", node, "BaudRates", fmt.Sprintf("makes %d combinations: write 1 to 100", len(out)))
	}
	return out, nil
}

type foundUnit struct {
	found
	id int
}

// probeWith takes the port from its line for a while and asks units from an id on,
// with other settings. It returns the id to go on with.
func (v *visit) probeWith(s serial.Settings, from, to int, timeout time.Duration) (list []foundUnit, next int, err error) {
	release, err := v.line.hold(v.ctx, reading)
	if err != nil {
		return nil, from, err
	}
	defer release()
	v.line.link.close() // it opens again when it is needed
	ep := v.line.ep
	ep.port = s
	link := newRTULink(ep, v.d.timing.line)
	defer link.close()
	own := newLine(ep, link)
	began := time.Now()
	for id := from; id <= to; id++ {
		if time.Since(began) > slice {
			return list, id, nil
		}
		f, err := probe(v.ctx, own, &call{ctx: v.ctx, timeout: timeout, unit: byte(id), tap: v.d.tap, pause: v.view.cfg.pause, settle: v.view.cfg.settle, priority: reading})
		if err != nil {
			return list, id, err
		}
		if f.how != "" && !f.doubt { // at a wrong baud rate noise is to be expected
			list = append(list, foundUnit{f, id})
		}
	}
	return list, to + 1, nil
}
