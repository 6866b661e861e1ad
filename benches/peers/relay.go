// A relay as Go programs have it: a goroutine for each direction around io.Copy, which on Linux splices from socket to
// socket. A peer to measure against. Listens on 127.0.0.1, says where, and serves until it is killed.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
)

func half(to, from *net.TCPConn, done *sync.WaitGroup) {
	defer done.Done()
	io.Copy(to, from)
	to.CloseWrite()
}

func relay(client *net.TCPConn, upstream string) {
	defer client.Close()
	dialled, err := net.Dial("tcp", upstream)
	if err != nil {
		return
	}
	defer dialled.Close()
	server := dialled.(*net.TCPConn)
	var done sync.WaitGroup
	done.Add(2)
	go half(server, client, &done)
	go half(client, server, &done)
	done.Wait()
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: relay HOST:PORT", err)
		os.Exit(1)
	}
	fmt.Printf("listening on tcp://%s\n", listener.Addr())
	for {
		client, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go relay(client.(*net.TCPConn), os.Args[1])
	}
}
