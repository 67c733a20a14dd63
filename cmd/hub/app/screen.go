package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/events"
	"golang.org/x/sys/unix"
)

// screen is a terminal on which a page stands; only lines that differ are written.
// It is used by one goroutine.
type screen struct {
	out           *os.File
	width, height int
	shown         []string
	leave         func() // gives the keyboard back
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l\x1b[2J" // the other page, no cursor, empty
	leaveScreen = "\x1b[m\x1b[?25h\x1b[?1049l"
)

// openScreen takes the terminal; the caller must close it.
func openScreen(out *os.File) (*screen, error) {
	s := &screen{out: out, leave: func() {}}
	if isTerminal(os.Stdin) {
		s.leave = quietTerminal(os.Stdin, unix.ECHO|unix.ICANON)
	}
	if _, err := out.WriteString(enterScreen); err != nil {
		s.leave()
		return nil, err
	}
	return s, nil
}

// close gives the terminal back as it was.
func (s *screen) close() {
	s.out.WriteString(leaveScreen) // a terminal that is gone needs nothing
	s.leave()
}

// measure reads the size of the terminal; after a change all is written anew.
func (s *screen) measure() {
	width, height := 80, 24
	if size, err := unix.IoctlGetWinsize(int(s.out.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 && size.Row > 0 {
		width, height = int(size.Col), int(size.Row)
	}
	if width != s.width || height != s.height {
		s.width, s.height, s.shown = width, height, nil
	}
}

// draw shows lines, each not wider than the screen.
func (s *screen) draw(lines []string) error {
	text := repaint(s.shown, lines)
	s.shown = lines
	if text == "" {
		return nil
	}
	_, err := s.out.WriteString(text)
	return err
}

// repaint is what makes a screen of one that shows other lines; nil: nobody knows
// what it shows.
func repaint(before, after []string) string {
	var b strings.Builder
	if before == nil {
		b.WriteString("\x1b[2J")
	}
	for i, l := range after {
		if i >= len(before) || before[i] != l {
			fmt.Fprintf(&b, "\x1b[%d;1H\x1b[K%s", i+1, l) // erased first: a full line leaves the cursor on its last cell
		}
	}
	if len(before) > len(after) {
		fmt.Fprintf(&b, "\x1b[%d;1H\x1b[J", len(after)+1)
	}
	return b.String()
}

// keys are those typed since, without waiting.
func (s *screen) keys() string {
	if !isTerminal(os.Stdin) {
		return ""
	}
	poll := []unix.PollFd{{Fd: int32(os.Stdin.Fd()), Events: unix.POLLIN}}
	if n, err := unix.Poll(poll, 0); n < 1 || err != nil || poll[0].Revents&unix.POLLIN == 0 {
		return ""
	}
	var b [64]byte
	n, _ := unix.Read(int(os.Stdin.Fd()), b[:])
	return string(b[:max(n, 0)])
}

// moved is the first row to show after keys were typed; over tells that one of them
// ends it.
func moved(keys string, from, page int) (first int, over bool) {
	for keys != "" {
		switch {
		case strings.HasPrefix(keys, "\x1b[A"), keys[0] == 'k':
			from--
		case strings.HasPrefix(keys, "\x1b[B"), keys[0] == 'j':
			from++
		case strings.HasPrefix(keys, "\x1b[5~"), keys[0] == 'b':
			from -= page
		case strings.HasPrefix(keys, "\x1b[6~"), keys[0] == ' ':
			from += page
		case keys[0] == 'q':
			return from, true
		}
		from = max(from, 0)
		if strings.HasPrefix(keys, "\x1b[") {
			keys = strings.TrimLeft(keys[2:], "0123456789;")
		}
		if keys != "" {
			keys = keys[1:]
		}
	}
	return from, false
}

const (
	// redraw is how often a live table looks whether something is new.
	redraw = 100 * time.Millisecond
	// refresh is how often a live table asks for all values, so that the age of those
	// that do not change is right, too.
	refresh = 5 * time.Second
)

// live shows changes as a table that is kept current, until ctx ends, the hub is
// gone, or the person has had enough. The last state stays on the terminal.
func (p *program) live(ctx context.Context, s *client, what events.Subscription) error {
	out, ok := p.out.(*os.File)
	if !ok {
		return errors.New("a live table needs a terminal")
	}
	what.Now = true
	changes, stop, err := s.follow(ctx, what)
	if err != nil {
		return err
	}
	defer stop()
	asking, end := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer end()
	values := make(chan change, 1024)
	wg.Go(func() { s.ask(asking, nodes.Readout{Refs: what.Refs, Categories: what.Categories}, values) })
	b := newBoard(many(len(what.Refs), "node"), "; q or Ctrl-C ends it; "+s.hubJID())
	if err := p.paint(ctx, s, out, b, changes, values); err != nil && len(b.rows) == 0 {
		return err
	} else if len(b.rows) > 0 {
		for _, l := range aligned(b.cells(time.Now()), coloured(out), 0) {
			if _, e := fmt.Fprintln(out, l); e != nil && err == nil {
				err = e
			}
		}
		return err
	}
	return nil
}

// ask reads again and again, until ctx ends. What fails is told by who follows
// changes.
func (s *client) ask(ctx context.Context, ro nodes.Readout, values chan<- change) {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.values.Read(ctx, ro, func(ref nodes.Ref, r nodes.Reading) { // an error says that there will be no more
			select {
			case values <- change{ref, r}:
			default: // the next time
			}
		})
	}
}

// paint keeps the screen current until the end.
func (p *program) paint(ctx context.Context, s *client, out *os.File, b *board, changes, values <-chan change) error {
	screen, err := openScreen(out)
	if err != nil {
		return err
	}
	defer screen.close()
	tick := time.NewTicker(redraw)
	defer tick.Stop()
	colours, from := coloured(out), 0
	for {
		screen.measure()
		var lines []string
		lines, from = b.lines(time.Now(), screen.width, screen.height, from, colours)
		if err := screen.draw(lines); err != nil {
			return err
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return nil
			case <-s.session.Done():
				return errors.New("the hub has ended")
			case c := <-changes:
				if nodes.KindOf(c.reading.Err) == nodes.Unreachable && s.gone() {
					return c.reading.Err
				}
				b.put(c.ref, c.reading, time.Now())
			case c := <-values:
				b.put(c.ref, c.reading, time.Now())
			case <-tick.C:
				waiting = false
			}
		}
		over := false
		if from, over = moved(screen.keys(), from, screen.height-2); over {
			return nil
		}
	}
}
