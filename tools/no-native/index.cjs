// `bullmq` packs messages with msgpackr, which takes a native binary along where it can. It does
// without when there is nothing here.
module.exports = undefined
