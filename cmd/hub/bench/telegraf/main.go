// Command telegraf is Telegraf with its Modbus plugin alone, to be measured beside
// the hub. It is a module of its own, so that the hub does not depend on it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	_ "github.com/influxdata/telegraf/plugins/inputs/modbus"
	_ "github.com/influxdata/telegraf/plugins/outputs/discard"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := config.NewConfig()
	err := c.LoadConfig(os.Args[1])
	if err == nil {
		err = agent.NewAgent(c).Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "telegraf:", err)
		os.Exit(1)
	}
}
