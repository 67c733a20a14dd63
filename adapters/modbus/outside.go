package modbus

import (
	"context"
	"sync"

	"github.com/fieldhub/hub/nodes"
)

// outside is for calls that use the line from goroutines of their own, beside Run:
// writes and commands.
type outside struct {
	begun chan struct{} // closed when Run has begun

	mu    sync.Mutex
	over  bool
	calls sync.WaitGroup
	life  context.Context // that of Run
}

func (o *outside) begin(ctx context.Context) {
	o.life = ctx
	close(o.begun)
}

// wait waits until Run has begun, or ctx ends.
func (o *outside) wait(ctx context.Context) error {
	select {
	case <-o.begun:
	case <-ctx.Done():
	}
	return ctx.Err()
}

// end waits for all calls. The context of Run, which has ended, ends them.
func (o *outside) end() {
	o.mu.Lock()
	o.over = true
	o.mu.Unlock()
	o.calls.Wait()
}

// visit is a call from outside Run.
type visit struct {
	d    *device
	ctx  context.Context // ends with the caller's and with Run
	view *view           // as it was at the beginning
	line *line
	stop func() bool
	end  context.CancelFunc
}

// enter begins a call from outside Run, which must leave again. It waits until Run
// has begun.
func (d *device) enter(ctx context.Context) (*visit, error) {
	o := &d.outside
	if err := o.wait(ctx); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over || o.life.Err() != nil {
		return nil, nodes.Errorf(nodes.Gone, "", nodes.In(d.id), "the gateway was stopped")
	}
	v := &visit{d: d, view: d.look()}
	if v.view == nil {
		return nil, nodes.Errorf(nodes.Gone, "", nodes.In(d.id), "the gateway was stopped")
	}
	o.calls.Add(1)
	v.ctx, v.end = context.WithCancel(ctx)
	v.stop = context.AfterFunc(o.life, v.end)
	v.line = d.lines.acquire(v.view.cfg.endpoint) // kept open until we leave
	return v, nil
}

func (v *visit) leave() {
	v.d.lines.release(v.line)
	v.stop()
	v.end()
	v.d.outside.calls.Done()
}

// call makes a transaction for a unit of the view.
func (v *visit) call(ctx context.Context, u *unitView, p priority) *call {
	return &call{ctx: ctx, timeout: u.cfg.timeout, unit: u.cfg.id, node: u.id, tap: v.d.tap, priority: p, pause: u.cfg.pause, settle: v.view.cfg.settle}
}
