// Command telegraf is Telegraf with its Modbus and MQTT plugins alone, to be measured beside
// the hub. It is a module of its own, so that the hub does not depend on it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/influxdata/telegraf/agent"
	"github.com/influxdata/telegraf/config"
	"github.com/influxdata/telegraf/logger"
	_ "github.com/influxdata/telegraf/plugins/inputs/modbus"
	_ "github.com/influxdata/telegraf/plugins/inputs/mqtt_consumer"
	_ "github.com/influxdata/telegraf/plugins/outputs/discard"
	_ "github.com/influxdata/telegraf/plugins/parsers/json"
	_ "github.com/influxdata/telegraf/plugins/parsers/json_v2"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	c := config.NewConfig()
	err := c.LoadConfig(os.Args[1])
	if err == nil && c.Agent.Debug {
		err = logger.SetupLogging(&logger.Config{Debug: true, LogFormat: "text"})
	}
	if err == nil {
		err = agent.NewAgent(c).Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "telegraf:", err)
		os.Exit(1)
	}
}
