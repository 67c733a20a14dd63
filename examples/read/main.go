// Read reads nodes of a hub over XMPP and prints their values:
//
//	read -jid ops@example.org -password-file pw -hub gateway-7@example.org plant/tank
//
// The account needs the rights see and read in the hub's access list. It asks for
// the hub's presence first, which the hub grants to those who have access.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

func main() {
	jid := flag.String("jid", "", "your account, name@domain")
	passwordFile := flag.String("password-file", "", "file that holds its password")
	server := flag.String("server", "", "host:port of the server; else by DNS")
	ca := flag.String("ca", "", "authorities in PEM; else the system's")
	hub := flag.String("hub", "", "the hub's account, name@domain")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	password, err := os.ReadFile(*passwordFile)
	if err != nil {
		log.Fatal(err)
	}
	account := xmppface.Account{JID: *jid, Password: strings.TrimSpace(string(password)), Server: *server, CAFile: *ca, Resource: "read", Priority: -1}
	if err := read(ctx, account, *hub, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func read(ctx context.Context, account xmppface.Account, hub string, ids []string) error {
	values := &sensordata.Client{}
	session, err := xmppface.Dial(ctx, account, listener{values})
	if err != nil {
		return err
	}
	values.Link = session
	running, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- session.Run(running) }()
	defer func() { end(); <-done }()

	online, err := session.WaitAvailable(ctx, hub)
	if err != nil {
		return fmt.Errorf("%s is not online, or does not let you see it: %w", hub, err)
	}
	values.To = online[0]
	ro := nodes.Readout{}
	for _, id := range ids {
		ro.Refs = append(ro.Refs, nodes.In(id))
	}
	return values.Read(ctx, ro, func(ref nodes.Ref, r nodes.Reading) {
		for _, f := range r.Fields {
			fmt.Printf("%s  %s = %s  (%s%s)\n", ref, f.Name, f.Value, f.Time.Local().Format(time.TimeOnly), quality(f.QoS))
		}
		if r.Err != nil {
			fmt.Printf("%s  error: %v\n", ref, r.Err)
		}
	})
}

func quality(q nodes.QoS) string {
	if q == 0 {
		return ""
	}
	return ", " + q.String()
}

// listener hands what the hub sends later to the client of the readout.
type listener struct{ *sensordata.Client }

func (listener) Spaces() []string { return []string{sensordata.NSNFI} }
func (listener) Serve(rq *ext.Request) {
	rq.Fail(nodes.Errorf(nodes.Unsupported, "", nodes.Ref{}, "this is a client"))
}
