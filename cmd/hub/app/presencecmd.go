package app

// presenceCmd decides about requests for the hub's presence on the broker.
type presenceCmd struct {
	Ls     presenceLsCmd     `cmd:"" help:"List who asks without access, and what was decided."`
	Accept presenceAcceptCmd `cmd:"" help:"Accept somebody's request, also one that is yet to come. It gives no rights."`
	Refuse presenceRefuseCmd `cmd:"" help:"Refuse somebody's requests for 30 days, or take the hub's presence away."`
}

// accessNode is the hub's own node that has the requests.
const accessNode = ownSource + ":access"

type presenceLsCmd struct{}

func (presenceLsCmd) Run(p *program) error {
	return (&queryCmd{chosen: chosen{Node: accessNode, Command: listRequests}}).Run(p)
}

// somebody is whose request it is.
type somebody struct {
	JID string `arg:"" name:"jid" help:"name@domain."`
}

type presenceAcceptCmd struct{ somebody }

func (c *presenceAcceptCmd) Run(p *program) error { return c.decide(p, acceptPresence) }

type presenceRefuseCmd struct{ somebody }

func (c *presenceRefuseCmd) Run(p *program) error { return c.decide(p, refusePresence) }

func (s *somebody) decide(p *program, command string) error {
	return (&doCmd{chosen{Node: accessNode, Command: command, Params: []string{"JID=" + s.JID}}}).Run(p)
}
