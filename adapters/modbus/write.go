package modbus

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// order is a setting on its way to the device.
type order struct {
	nodes.Setting
	reg   *registerConfig
	unit  *unitView
	patch patch
}

// Set implements [nodes.Setter]. All values are encoded before the first is
// written.
func (d *device) Set(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	give := func(i int, s nodes.WriteState, err error) {
		yield(i, nodes.Outcome{State: s, Time: time.Now(), Err: err})
	}
	skip := func(from, to int, why string) {
		for i := from; i < to; i++ {
			give(i, nodes.WriteSkipped, failed(nodes.NotAcceptable, list[i].Node, "not tried, since "+why))
		}
	}
	v, err := d.enter(ctx)
	if err != nil {
		for i, s := range list {
			give(i, nodes.WriteExpired, failed(kindOf(err), s.Node, "nothing was written: "+reason(err)))
		}
		return
	}
	defer v.leave()
	orders := make([]order, len(list))
	wrong := make([]error, len(list))
	for i, s := range list {
		orders[i], wrong[i] = v.order(s)
		if wrong[i] != nil && kindOf(wrong[i]) == nodes.Invalid {
			why := s.Name + " cannot be written"
			skip(0, i, why)
			give(i, nodes.WriteRefused, wrong[i])
			skip(i+1, len(list), why)
			return
		}
	}
	w := writer{v, ctx}
	for i := 0; i < len(orders); {
		if wrong[i] != nil {
			give(i, nodes.WriteRefused, wrong[i])
			skip(i+1, len(list), list[i].Name+" cannot be written")
			return
		}
		for _, o := range w.write(orders[i : i+together(orders[i:])]) {
			yield(i, o)
			if i++; !o.State.Good() {
				skip(i, len(list), orders[i-1].Name+" was not written")
				return
			}
		}
	}
}

// order finds out what a setting means for the device.
func (v *visit) order(s nodes.Setting) (order, error) {
	p := v.view.points[s.Node]
	if p == nil {
		return order{}, failed(nodes.NotFound, s.Node, "no such register here")
	}
	o := order{Setting: s, reg: p.cfg, unit: p.unit}
	switch {
	case s.Name != o.reg.name:
		return order{}, failed(nodes.NotFound, s.Node, fmt.Sprintf("the register has no %q: it is called %q", clip(s.Name), o.reg.name))
	case !o.reg.writable || o.reg.table != wire.Coil && o.reg.table != wire.HoldingRegister:
		return order{}, failed(nodes.Forbidden, s.Node, "its configuration does not say that it is writable")
	}
	var err error
	if o.patch, err = o.reg.encode(s.Value); err != nil {
		return order{}, failed(nodes.Invalid, s.Node, err.Error())
	}
	if o.patch.mask != nil && v.broadcast(&o) {
		return order{}, failed(nodes.NotAcceptable, s.Node, "unit 0 is all units of the line, whose registers cannot be read: bits of them cannot be written, only whole registers")
	}
	return o, nil
}

// together returns how many of the orders, from the first on, go into one request:
// whole registers or coils of one unit, each right behind the one before.
func together(list []order) int {
	first := &list[0]
	if first.reg == nil {
		return 1
	}
	total := len(first.patch.words)
	most := wire.MaxWrittenRegisters
	if first.reg.table.Bits() {
		most = wire.MaxWrittenBits
	}
	for i := 1; i < len(list); i++ {
		o := &list[i]
		if o.reg == nil { // cannot be written
			return i
		}
		total += len(o.patch.words)
		if first.reg.function == writeSingle || first.patch.mask != nil || first.reg.readBack || total > most ||
			o.reg.function == writeSingle || o.patch.mask != nil || o.reg.readBack ||
			o.unit != first.unit || o.reg.table != first.reg.table || o.reg.first != list[i-1].reg.first+len(list[i-1].patch.words) {
			return i
		}
	}
	return len(list)
}

// writer writes for one call of Set.
type writer struct {
	*visit
	caller context.Context // whose end is the time to live
}

// write writes orders that go together and returns their outcomes, up to the first
// that failed.
func (w *writer) write(list []order) []nodes.Outcome {
	o := &list[0]
	if len(list) > 1 {
		var words []uint16
		for i := range list {
			words = append(words, list[i].patch.words...)
		}
		request := wire.WriteRequest{Function: multiple(o.reg.table), Table: o.reg.table, First: o.reg.first, Words: words}
		if !w.lacks(o, request.Function) {
			err := w.send(o, request)
			if refused, yes := err.(wire.Exception); !yes || refused > wire.IllegalValue {
				return w.outcomes(list, request, err)
			}
			w.learn(o, request.Function, err)
		}
		// Refused as a whole: one by one, so that the outcome says which.
		var out []nodes.Outcome
		for i := range list {
			out = append(out, w.write(list[i:i+1])...)
			if !out[i].State.Good() {
				break
			}
		}
		return out
	}
	request, err := w.alone(o)
	out := w.outcomes(list, request, err)
	if out[0].State == nodes.WriteDone && o.reg.readBack && !w.broadcast(o) {
		out[0] = w.verify(o, request)
	}
	return out
}

// alone writes one order and returns the request that was sent last.
func (w *writer) alone(o *order) (wire.WriteRequest, error) {
	if o.patch.mask != nil {
		return w.masked(o)
	}
	request := wire.WriteRequest{Table: o.reg.table, First: o.reg.first, Words: o.patch.words}
	functions := []byte{single(o.reg.table), multiple(o.reg.table)}
	switch {
	case o.reg.function == writeSingle:
		functions = functions[:1]
	case o.reg.function == writeMultiple || len(request.Words) > 1:
		functions = functions[1:]
	case w.lacks(o, functions[0]):
		functions[0], functions[1] = functions[1], functions[0]
	}
	var err error
	for _, request.Function = range functions {
		if err = w.send(o, request); err != wire.IllegalFunction {
			break
		}
		w.learn(o, request.Function, err) // refused, so another may be tried
	}
	return request, err
}

// masked writes some bits of registers: with function 22, or by reading, changing
// and writing while nobody else uses the line.
func (w *writer) masked(o *order) (wire.WriteRequest, error) {
	from, to := 0, len(o.patch.mask)
	for from < to-1 && o.patch.mask[from] == 0 {
		from++
	}
	for to > from+1 && o.patch.mask[to-1] == 0 {
		to--
	}
	words, mask := o.patch.words[from:to], o.patch.mask[from:to]
	request := wire.WriteRequest{Function: wire.MaskRegister, Table: o.reg.table, First: o.reg.first + from}
	if len(mask) == 1 && o.reg.function == writeAuto && !w.lacks(o, wire.MaskRegister) {
		request.And, request.Or = ^mask[0], words[0]&mask[0]
		err := w.send(o, request)
		if err != wire.IllegalFunction {
			return request, err
		}
		w.learn(o, wire.MaskRegister, err)
	}
	request = wire.WriteRequest{Function: wire.WriteRegisters, Table: o.reg.table, First: request.First}
	if len(mask) == 1 && o.reg.function != writeMultiple {
		request.Function = wire.WriteRegister
	}
	release, err := w.hold()
	if err != nil {
		return request, err
	}
	defer release()
	read := wire.ReadRequest{Table: o.reg.table, First: request.First, Count: len(mask)}
	c := w.call(w.ctx, o.unit, writing)
	c.held = true
	began := time.Now()
	err = w.line.read(c, read)
	w.d.heard(o.unit.id, what(read), time.Since(began), err)
	if err != nil {
		return request, &beforeError{fmt.Errorf("reading %s, whose other bits must stay, failed: %w", read, err)}
	}
	have := registers(c.data)
	for i := range have {
		request.Words = append(request.Words, have[i]&^mask[i]|words[i]&mask[i])
	}
	err = w.sendHeld(o, request)
	if err == wire.IllegalFunction && request.Function == wire.WriteRegister && o.reg.function == writeAuto {
		request.Function = wire.WriteRegisters
		err = w.sendHeld(o, request)
	}
	return request, err
}

// broadcast tells whether a write goes to all units of a line, which do not
// answer. Over Modbus TCP unit 0 is the device itself.
func (v *visit) broadcast(o *order) bool { return o.unit.cfg.id == 0 && v.line.ep.kind != kindTCP }

func single(t wire.Table) byte {
	if t.Bits() {
		return wire.WriteCoil
	}
	return wire.WriteRegister
}

func multiple(t wire.Table) byte {
	if t.Bits() {
		return wire.WriteCoils
	}
	return wire.WriteRegisters
}
