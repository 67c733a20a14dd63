package app

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
)

// lookEvery is how often the configuration file is looked at.
const lookEvery = time.Second

// ownDomain stands in rules for the domain of the hub's own server, which nobody
// knows by heart.
const ownDomain = "@local"

// rules are the rules of a configuration, and that of the owner.
func (h *hub) rules(cfg *config.Config) []datasources.Rule {
	list := make([]datasources.Rule, 0, len(cfg.Access)+1)
	_, domain, _ := strings.Cut(h.owner.JID, "@")
	for _, r := range cfg.Access {
		if r.Way == nodes.WayLocal {
			r.Who = slices.Clone(r.Who)
			for i, who := range r.Who {
				if name, ok := strings.CutSuffix(who, ownDomain); ok {
					r.Who[i] = name + "@" + domain
				}
			}
		}
		list = append(list, r)
	}
	return append(list,
		datasources.Rule{Who: []string{h.owner.JID}, Way: nodes.WayLocal, May: nodes.AllRights, Text: "the owner of this machine"})
}

// followConfig has new access rules hold as soon as the configuration file is saved.
// A file with mistakes changes nothing. All else in it holds from the next start.
func (h *hub) followConfig(ctx context.Context) error {
	last := fingerprint(h.cfg.File)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now := fingerprint(h.cfg.File)
		if now == last || now == (filePrint{}) {
			continue
		}
		last = now
		cfg, err := config.Load(h.cfg.File)
		if err != nil {
			h.log.Error("the configuration was changed and is wrong: what held before holds on", "config", h.cfg.File, "error", err)
			continue
		}
		h.access.Replace(h.rules(cfg))
		for _, way := range []nodes.Way{nodes.WayLocal, nodes.WayBroker} {
			if f := h.face(way); f != nil && f.Session() != nil {
				f.Session().Revise()
			}
		}
		h.log.Info("access rules read anew; what else was changed holds after a restart", "config", h.cfg.File, "rules", len(cfg.Access))
	}
}

// filePrint tells a version of a file from others.
type filePrint struct {
	size int64
	at   time.Time
}

func fingerprint(path string) filePrint {
	if path == "" {
		return filePrint{}
	}
	info, err := os.Stat(path)
	if err != nil {
		return filePrint{}
	}
	return filePrint{info.Size(), info.ModTime()}
}

// Explain implements owner.Backend.
func (h *hub) Explain(c, who nodes.Caller, ref nodes.Ref) ([]nodes.Property, error) {
	rights, rules, err := h.cat.Explain(c, who, ref)
	if err != nil {
		return nil, err
	}
	item := func(name, value string) nodes.Property { return nodes.Property{Name: name, Value: nodes.String(value)} }
	out := []nodes.Property{item("may", rights.String())}
	for _, r := range rules {
		where := "everything"
		for i, on := range r.On {
			if i == 0 {
				where = ""
			} else {
				where += ", "
			}
			if where += on.ID; on.ID == "" {
				where += "source " + on.Source
			}
		}
		out = append(out, item(r.Text, r.May.String()+" on "+where))
	}
	return out, nil
}
