// A FAKE of a Kafka broker for tests: kfake, which keeps everything in memory, with TLS and logins.
// SIGUSR1 cuts it off: connections end, and new ones are closed at once. SIGUSR2 ends that.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

type gate struct {
	lock  sync.Mutex
	shut  bool
	conns []net.Conn
}

type listener struct {
	net.Listener
	gate *gate
}

func (l listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.gate.lock.Lock()
		shut := l.gate.shut
		if !shut {
			l.gate.conns = append(l.gate.conns, conn)
		}
		l.gate.lock.Unlock()
		if !shut {
			return conn, nil
		}
		conn.Close()
	}
}

func (g *gate) set(shut bool) {
	g.lock.Lock()
	defer g.lock.Unlock()
	g.shut = shut
	if shut {
		for _, conn := range g.conns {
			conn.Close()
		}
		g.conns = nil
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	topics := flag.String("topics", "", "NAME:PARTITIONS,...")
	cert := flag.String("cert", "", "certificate of the server, PEM")
	key := flag.String("key", "", "its key, PEM")
	sasl := flag.String("sasl", "", "MECHANISM:USER:PASSWORD")
	flag.Parse()
	gate := &gate{}
	options := []kfake.Opt{kfake.Ports(*port), kfake.NumBrokers(1)}
	for _, topic := range strings.Split(*topics, ",") {
		name, count, _ := strings.Cut(topic, ":")
		partitions, err := strconv.Atoi(count)
		must(err)
		options = append(options, kfake.SeedTopics(int32(partitions), name))
	}
	var config *tls.Config
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		must(err)
		config = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if parts := strings.SplitN(*sasl, ":", 3); len(parts) == 3 {
		options = append(options, kfake.EnableSASL(), kfake.Superuser(parts[0], parts[1], parts[2]))
	}
	options = append(options, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		plain, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		gated := listener{plain, gate}
		if config != nil {
			return tls.NewListener(gated, config), nil
		}
		return gated, nil
	}))
	cluster, err := kfake.NewCluster(options...)
	must(err)
	defer cluster.Close()
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM)
	for got := range signals {
		if got == syscall.SIGTERM {
			return
		}
		gate.set(got == syscall.SIGUSR1)
	}
}
