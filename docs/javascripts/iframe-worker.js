// Search of pages that are opened as files: browsers let such a page start no worker, so its script runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.title = "search"
      document.body.append(frame)
      this.inside = frame.contentWindow
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      this.inside.importScripts = (...addresses) =>
        addresses.reduce((before, next) => before.then(() => this.run(next)), Promise.resolve())
      this.run(address).then(() => {
        this.waiting.forEach((data) => this.tell(data))
        this.waiting = null
      })
    }

    run(address) {
      return new Promise((done, failed) => {
        const script = this.inside.document.createElement("script")
        script.src = new URL(address, location.href)
        script.onload = done
        script.onerror = failed
        this.inside.document.body.append(script)
      })
    }

    tell(data) {
      this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data }))
    }

    postMessage(data) {
      this.waiting ? this.waiting.push(data) : this.tell(data)
    }

    terminate() {}
  }
}
