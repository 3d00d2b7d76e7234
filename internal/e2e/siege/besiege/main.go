// Besiege reads a siege.Plan from standard input, attacks until it is interrupted, and writes the
// siege.Report to standard output. The test TestSiege runs it; it is of no use beside.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/stint-jobs/stint/internal/e2e/siege"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "besiege:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var p siege.Plan
	if err := json.NewDecoder(os.Stdin).Decode(&p); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	return json.NewEncoder(os.Stdout).Encode(siege.Run(ctx, p))
}
