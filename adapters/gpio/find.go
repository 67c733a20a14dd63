package gpio

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// lookAfterChip looks for the chip, or whether it is still there.
func (d *device) lookAfterChip(now time.Time) {
	if now.Before(d.look) {
		return
	}
	if d.chip != nil {
		d.look = now.Add(d.timing.check)
		_, err := d.chip.Info()
		if err == nil {
			if !now.Before(d.surveyed.Add(time.Minute)) {
				d.survey(now)
			}
			return
		}
		d.log.Warn("the chip is gone", "chip", d.info.Name, "error", err)
		d.closeLines()
		d.closeChip()
	}
	d.look = now.Add(d.timing.find)
	chip, err := d.find(d.cfg.chip)
	if err != nil {
		d.noChip(err)
		return
	}
	d.chip, d.absent, d.surveyed = chip, nil, time.Time{}
	d.info, _ = chip.Info()
	d.aliases = d.cfg.names()
	d.names = make(map[string][]int)
	for i := range d.info.Lines {
		if l, err := chip.Line(i); err == nil && l.Name != "" {
			name := strings.ToLower(l.Name)
			d.names[name] = append(d.names[name], i)
		}
	}
	d.look = now.Add(d.timing.check)
	d.host.Clear(d.id, EventChip)
	d.log.Info("the chip is there", "chip", d.info.Name, "label", d.info.Label, "lines", d.info.Lines)
	d.tap.Note(snifferInfo, d.id, fmt.Sprintf("%s (%s) is open, %d lines", d.info.Name, d.info.Label, d.info.Lines))
	for _, p := range d.pins {
		p.retry, p.absent = time.Time{}, ""
	}
	d.survey(now)
}

// noChip says that there is no chip, once for each reason.
func (d *device) noChip(err error) {
	absent := failure(nodes.Unreachable, d.id, err.Error())
	if d.absent == nil || d.absent.Err.Error() != err.Error() {
		d.log.Warn("no chip", "error", err)
	}
	d.absent = absent
	d.host.Fault(d.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventChip, Text: err.Error()})
	list := []nodes.Reading{{Node: d.id, Err: absent}}
	for _, p := range d.pins {
		p.fail = nil
		if p.absent == err.Error() {
			continue
		}
		p.absent = err.Error()
		list = append(list, nodes.Reading{Node: p.id, Err: failure(nodes.Unreachable, p.id, err.Error())})
		d.host.Clear(p.id, EventLine)
	}
	d.host.Report(list)
}

// closeLines gives all lines back.
func (d *device) closeLines() {
	for _, p := range d.pins {
		d.release(p)
	}
}

func (d *device) closeChip() {
	if d.chip != nil {
		d.chip.Close()
		d.chip = nil
		d.tap.Note(snifferInfo, d.id, d.info.Name+" is closed")
	}
}

// find opens the chip that is meant: a path, a number, a name or a label.
func (d *device) find(want string) (cdev.Chip, error) {
	if strings.HasPrefix(want, "/") {
		c, err := d.system.Open(want)
		if err != nil {
			return nil, d.unopened(want, err)
		}
		return c, nil
	}
	paths, err := d.system.Paths()
	if err != nil {
		return nil, fmt.Errorf("the chips of this machine cannot be listed: %w", err)
	}
	if len(paths) == 0 {
		return nil, errors.New("this machine has no GPIO chip (there is no /dev/gpiochip0): plug one in, or load its driver")
	}
	var found cdev.Chip
	var at string
	var there []string
	var failed error
	for _, path := range paths {
		name := filepath.Base(path)
		exact := name == want || name == "gpiochip"+want
		c, err := d.system.Open(path)
		if err != nil {
			if exact {
				return nil, d.unopened(path, err)
			}
			failed = d.unopened(path, err)
			continue
		}
		info, err := c.Info()
		if err != nil {
			c.Close()
			continue // it was pulled just now
		}
		there = append(there, fmt.Sprintf("%s (%s)", info.Name, info.Label))
		switch {
		case exact:
			if found != nil {
				found.Close()
			}
			return c, nil
		case info.Label != want:
			c.Close()
		case found == nil:
			found, at = c, path
		default: // two of the same label, or two paths to one chip
			c.Close()
			if first, _ := found.Info(); first.Name != info.Name {
				found.Close()
				return nil, fmt.Errorf("%s and %s both have the label %s: write the path of one as Chip", at, path, want)
			}
		}
	}
	switch {
	case found != nil:
		return found, nil
	case failed != nil:
		return nil, fmt.Errorf("no chip %s among those that can be opened; %w", want, failed)
	}
	return nil, fmt.Errorf("no chip %s is there: plug it in, or write another as Chip; there are %s", want, strings.Join(there, ", "))
}

// unopened says why a chip cannot be opened, and what to do.
func (d *device) unopened(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		group := cdev.Group(path)
		if group == "" || group == "root" {
			return fmt.Errorf("%s may not be opened by this user: a udev rule must give it to a group, such as gpio, of which the hub's user is a member", path)
		}
		return fmt.Errorf("%s may not be opened by this user: add it to the group %s (usermod -a -G %s hub), and start the hub again", path, group, group)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is not there: plug the chip in, or write another as Chip", path)
	}
	return fmt.Errorf("%s cannot be opened: %s", path, reason(err))
}

// resolve finds a line by number, name, or pin of the board.
func (d *device) resolve(line string) (offset int, err error) {
	key := strings.ToLower(strings.TrimSpace(line))
	if alias := d.aliases[key]; alias != "" {
		key = strings.ToLower(alias)
	}
	if list := d.names[key]; len(list) == 1 {
		return list[0], nil
	} else if len(list) > 1 {
		return 0, fmt.Errorf("lines %v of %s are all named %s: write the number of one as Line", list, d.info.Name, line)
	}
	n, ok := number(key)
	switch {
	case ok && n < d.info.Lines:
		return n, nil
	case ok:
		return 0, fmt.Errorf("%s has no line %s: its lines are 0 to %d", d.info.Name, line, d.info.Lines-1)
	}
	return 0, fmt.Errorf("%s has no line named %s: write a name or number that the query ListLines shows", d.info.Name, line)
}

// number reads a decimal number without sign.
func number(s string) (int, bool) {
	n := 0
	for _, r := range s {
		if r < '0' || r > '9' || n > 1<<20 {
			return 0, false
		}
		n = 10*n + int(r-'0')
	}
	return n, s != ""
}
