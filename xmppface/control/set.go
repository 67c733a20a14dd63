package control

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
)

// set is a set under way.
type set struct {
	request *ext.Request
	came    time.Time
	refs    []nodes.Ref // that the sender may control
	params  []Parameter
	form    *nodes.Form // nil: without one
	texts   form.Texts
	life    atomic.Int32
	before  []*set        // those that are done first
	done    chan struct{} // closed when it is over for those that come after
}

// The life of a set: it is answered by whoever brings it to its end.
const (
	waits int32 = iota
	runs
	over
)

// place is where the sets of a sender are done in order.
type place struct {
	link ext.Link
	jid  string
	node nodes.Ref
}

// set checks a request and starts it.
func (s *Server) set(r *ext.Request) error {
	w, err := parse(r.Payload)
	if err != nil {
		return s.explained(r, err)
	}
	x := &set{request: r, came: time.Now(), params: w.params, done: make(chan struct{})}
	if x.refs, err = s.permitted(r.Caller, w.refs); err != nil {
		return err
	}
	if w.form != nil {
		if x.form, err = s.form(r.Caller, x.refs); err != nil {
			return err
		}
		list, err := submitted(w.form, x.form)
		if err != nil {
			return s.explained(r, err)
		}
		x.texts, _ = form.ParseSubmit(w.form)
		x.params = append(x.params, list...)
	}
	switch {
	case len(x.params) == 0:
		return ext.Invalid("the request sets no parameter; getForm lists those there are")
	case len(x.params)*len(x.refs) > MaxSettings:
		return tooMany()
	}
	return s.start(x)
}

// start runs a set after the earlier ones of its sender at its nodes.
func (s *Server) start(x *set) error {
	r := x.request
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for o := range s.sets {
		if o.request.Caller.JID == r.Caller.JID && o.request.Caller.Way == r.Caller.Way {
			own++
		}
	}
	if own >= MaxSetsEach {
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many of your sets are under way; wait for their answers. Nothing was written")
	}
	for _, ref := range x.refs {
		if o := s.last[place{r.Link, r.Caller.Full, ref.Resolved()}]; o != nil && !slices.Contains(x.before, o) {
			x.before = append(x.before, o)
		}
	}
	if !s.workers.Go(func(ctx context.Context) { s.run(ctx, x) }) {
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many sets are under way, or the hub is starting or stopping; try again in a moment. Nothing was written")
	}
	s.sets[x] = true
	for _, ref := range x.refs {
		s.last[place{r.Link, r.Caller.Full, ref.Resolved()}] = x
	}
	return nil
}

// end forgets a set and lets those after it begin.
func (s *Server) end(x *set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sets, x)
	for _, ref := range x.refs {
		p := place{x.request.Link, x.request.Caller.Full, ref.Resolved()}
		if s.last[p] == x {
			delete(s.last, p)
		}
	}
	close(x.done)
}

var (
	errNotBegun = nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "your earlier sets at this node took too long; nothing was written")
	errStopping = nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is stopping; nothing was written")
	errUnknown  = nodes.Errorf(nodes.Timeout, "", nodes.Ref{}, "outcome unknown: the device has not said in time whether it was written; read the value before you set it again")
)

// run waits for its turn, sets and answers.
func (s *Server) run(ctx context.Context, x *set) {
	defer s.end(x)
	wait := time.NewTimer(time.Until(x.came.Add(s.wait)))
	defer wait.Stop()
	for _, o := range x.before {
		select {
		case <-o.done:
		case <-wait.C:
			s.finish(x, waits, errNotBegun)
			return
		case <-ctx.Done():
			s.finish(x, waits, errStopping)
			return
		}
	}
	x.before = nil // else each would keep all before it
	if ctx.Err() != nil {
		s.finish(x, waits, errStopping)
		return
	}
	if !x.life.CompareAndSwap(waits, runs) {
		return // its sender has gone
	}
	late := time.AfterFunc(time.Until(x.came.Add(s.answer)), func() { s.finish(x, runs, errUnknown) })
	defer late.Stop()
	list := x.assignments()
	inner, cancel := context.WithDeadline(ctx, x.came.Add(s.live))
	defer cancel()
	out, err := s.backend.Set(inner, x.request.Caller, list)
	if err == nil {
		err = x.failure(list, out)
	} else {
		err = s.refused(x, err)
	}
	s.finish(x, runs, err)
}

// assignments are all parameters on all nodes, in order.
func (x *set) assignments() []nodes.Assignment {
	out := make([]nodes.Assignment, 0, len(x.refs)*len(x.params))
	for _, ref := range x.refs {
		for _, p := range x.params {
			out = append(out, nodes.Assignment{Ref: ref, Name: p.Name, Value: p.Value})
		}
	}
	return out
}

// finish answers a set that is in that part of its life; another has answered it
// otherwise.
func (s *Server) finish(x *set, from int32, err error) {
	if !x.life.CompareAndSwap(from, over) {
		return
	}
	if err != nil {
		s.fail(x.request, err)
		return
	}
	var names []string
	for _, p := range x.params {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	x.request.Result(appendResp(nil, x.request.Space(), x.refs, names))
}

// refused is the error of a set of which nothing was tried.
func (s *Server) refused(x *set, err error) error {
	var e *nodes.Error
	if !errors.As(err, &e) || len(e.Fields) == 0 {
		return err
	}
	w := &wrongParams{condition: badRequest, fields: e.Fields, form: x.form, texts: x.texts}
	if list, err := s.backend.Controls(x.request.Caller, e.Ref); err == nil {
		for name := range e.Fields {
			if !slices.ContainsFunc(list, func(p nodes.Param) bool { return p.ID == name }) {
				w.condition = notFound
			}
		}
	}
	return s.explained(x.request, w)
}
