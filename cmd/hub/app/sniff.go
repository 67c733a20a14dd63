package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/fieldhub/hub/sniffer"
)

type sniffCmd struct {
	Node string        `arg:"" help:"Id or path of the node: a gateway for all its traffic, a unit for its own."`
	For  time.Duration `help:"How long." default:"1h" placeholder:"1h"`
	N    int           `help:"End after this many frames; 0: never." short:"n"`
}

// sniffLine is a frame or remark in JSON.
type sniffLine struct {
	Time string `json:"time"`
	Kind string `json:"kind"`
	Hex  string `json:"hex,omitempty"`
	Text string `json:"text,omitempty"`
}

var sniffKinds = map[sniffer.Kind]string{sniffer.RxBin: "rx", sniffer.TxBin: "tx", sniffer.Rx: "rx", sniffer.Tx: "tx", sniffer.Info: "info",
	sniffer.Warning: "warning", sniffer.Error: "error", sniffer.Exception: "exception", sniffer.Expired: "expired"}

func (c *sniffCmd) Run(p *program) error {
	return p.until(func(ctx context.Context, s *client) error {
		ref, err := s.find(ctx, c.Node)
		if err != nil {
			return err
		}
		l, err := s.nodes.Sniff(ctx, ref, time.Now().Add(c.For))
		if err != nil {
			return err
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			l.Close(ctx) // the hub ends it anyway when we are gone
		}()
		if !p.options.JSON {
			fmt.Fprintf(p.err, "listening to %s until %s; Ctrl-C ends it\n", ref.ID, l.Expires().Local().Format(time.TimeOnly))
		}
		for n := 0; ; {
			events, dropped, err := l.Next(ctx)
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			}
			if dropped > 0 {
				fmt.Fprintf(p.err, "%d events were dropped: this end is slower than the line\n", dropped)
			}
			for _, e := range events {
				if err := p.printEvent(e); err != nil {
					return err
				}
				if n++; n == c.N {
					return nil
				}
			}
		}
	})
}

func (p *program) printEvent(e sniffer.Event) error {
	l := sniffLine{e.Time.UTC().Format(timeFormat), sniffKinds[e.Kind], hex.EncodeToString(e.Data), e.Text}
	if p.options.JSON {
		return line(p.out, l)
	}
	text := clean(l.Text)
	if e.Kind == sniffer.Expired && text == "" {
		text = "the time is over"
	}
	if len(e.Data) > 0 {
		text = fmt.Sprintf("% x", e.Data)
	}
	_, err := fmt.Fprintf(p.out, "%s  %-7s  %s\n", e.Time.Local().Format("15:04:05.000"), l.Kind, text)
	return err
}
